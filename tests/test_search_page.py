"""The search page as people use it: in a headless Chromium, by mouse, keys and files."""

import json
import threading

import pytest
from browser import Browser, found_browser
from PIL import Image
from shops import EVIL, paint

from tl_keras.retrieval.page import SearchServer

CARDS = "document.querySelectorAll('#results a').length"
HITS = "document.querySelectorAll('#results meter').length"

pytestmark = pytest.mark.skipif(
    found_browser() is None, reason="needs Chromium on the path, to use the page in"
)


@pytest.fixture(scope="module")
def shop(colour_shop):
    return colour_shop


@pytest.fixture(scope="module")
def server(shop):
    with SearchServer(shop) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def window(tmp_path_factory):
    made = Browser(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


@pytest.fixture
def browser(window, server):
    window.resize(1280, 900)
    window.dark(False)
    window.errors.clear()
    window.asked.clear()
    window.open(server.url, CARDS)
    return window


def shown(browser):
    return browser.run("[...document.querySelectorAll('#results a')].map((a) => a.title)")


def focused(browser):
    return browser.run(
        "document.activeElement.title || document.activeElement.id || document.activeElement.name"
    )


def choose(browser, name, value):
    """Choose in a list as a person does: by its option, then it tells that it changed."""
    browser.run(
        f"(() => {{ const f = document.querySelector('[name={name}]'); "
        f"f.value = {json.dumps(json.dumps(value))}; "
        "f.dispatchEvent(new Event('change', {bubbles: true})); })()"
    )


def test_a_picture_that_is_uploaded_finds_what_the_catalogue_finds(browser, shop, tmp_path):
    paint(tmp_path / "mine.png", "red", 777)
    browser.upload("#file", tmp_path / "mine.png")
    browser.wait(f"{HITS} === 24")
    assert shown(browser) == [hit.id for hit in shop.search(tmp_path / "mine.png", 24)]
    scores = browser.run("[...document.querySelectorAll('.score span')].map((s) => s.innerText)")
    assert scores == [
        f"{round(hit.score, 4):.2f}" for hit in shop.search(tmp_path / "mine.png", 24)
    ]
    assert "mine.png" in browser.text()
    assert "The 24 most like it, of 36" in browser.text()
    # The picture itself is shown, and those of the results have come.
    browser.wait("document.getElementById('shown').naturalWidth === 200")
    browser.wait("document.querySelector('#results img').naturalWidth > 0")
    browser.click("#more")
    browser.wait(f"{HITS} === 36")
    assert browser.errors == []
    host = browser.run("location.origin")
    assert {
        url for url in browser.asked if not url.startswith((host, f"blob:{host}", "data:,"))
    } == set()


def test_keys_alone_are_enough_and_back_goes_back(browser, shop):
    first = shown(browser)
    for _ in range(60):
        browser.press("Tab")
        if focused(browser) == first[1]:
            break
    assert focused(browser) == first[1]
    outline = browser.run("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    browser.press("Enter")
    browser.wait(HITS)
    assert shown(browser) == [hit.id for hit in shop.similar(first[1], 24)]
    assert focused(browser) == "status"
    assert browser.run("new URLSearchParams(location.search).get('id')") == first[1]
    browser.press("Tab")
    second = shown(browser)[0]
    assert focused(browser) == second
    browser.press("Enter")
    browser.wait(f"new URLSearchParams(location.search).get('id') === {json.dumps(second)}")
    browser.wait(f"document.querySelector('#results a').title !== {json.dumps(second)}")
    browser.run("history.back()")
    browser.wait(f"document.querySelector('#results a').title === {json.dumps(second)}")
    browser.run("history.back()")
    browser.wait(f"{HITS} === 0 && {CARDS} === 24")
    assert shown(browser) == first
    assert browser.errors == []


def test_the_file_chooser_opens_by_key_and_by_mouse(browser):
    before = browser.choosers
    browser.press("Tab")  # the link to the results
    browser.press("Tab")
    assert focused(browser) == "file"
    ring = "getComputedStyle(document.querySelector('label.main')).outlineStyle"
    assert browser.run(ring) == "solid"
    for number, open_it in enumerate((browser.press, browser.click), 1):
        open_it("Enter" if number == 1 else "label.main")
        for _ in range(100):
            if browser.choosers >= before + number:
                break
            browser.run("new Promise((done) => setTimeout(done, 50))")
        assert browser.choosers == before + number


@pytest.mark.parametrize("way", ["paste", "drop"])
def test_pictures_are_pasted_and_dropped(browser, way):
    script = (
        "(async () => { const c = document.createElement('canvas'); c.width = c.height = 64; "
        "const t = c.getContext('2d'); t.fillStyle = 'rgb(40, 60, 200)'; t.fillRect(0, 0, 64, 64); "
        "const blob = await new Promise((done) => c.toBlob(done)); "
        "const data = new DataTransfer(); "
        "data.items.add(new File([blob], 'mine.png', {type: 'image/png'})); "
        "const event = %s; document.body.dispatchEvent(event); })()"
    )
    kinds = {
        "paste": "new ClipboardEvent('paste', {clipboardData: data, bubbles: true})",
        "drop": "new DragEvent('drop', {dataTransfer: data, bubbles: true, cancelable: true})",
    }
    browser.run(script % kinds[way])
    browser.wait(f"{HITS} === 24")
    assert "mine.png" in browser.text()
    first = browser.run("document.querySelector('#results small').innerText")
    assert first.startswith("blue")
    assert browser.errors == []


def test_more_to_pick_from_comes_by_a_button(browser, shop):
    browser.click("#more")
    browser.wait(f"{CARDS} === 36")
    assert sorted(shown(browser)) == sorted(shop.index.ids())
    assert focused(browser) == shown(browser)[24]  # the first of those that came
    assert browser.run("document.getElementById('more').hidden")


def test_filters_hold_for_picking_searching_and_reloading(browser, shop):
    choose(browser, "gender", "Women")
    browser.wait("document.getElementById('status').innerText === 'Pick one of 18'")
    browser.run("document.querySelector('[name=price][data-sign=\"<=\"]').focus()")
    browser.type("30")
    browser.press("Enter")
    where = {"gender": "Women", "price": {"<=": 30}}
    count = shop.index.count(where)
    browser.wait(f"document.getElementById('status').innerText === 'Pick one of {count}'")
    picked = shown(browser)[0]
    browser.click("#results a")
    browser.wait(HITS)
    wanted = [hit.id for hit in shop.similar(picked, 24, where=where)]
    assert shown(browser) == wanted
    assert f"The {len(wanted)} most like it, of {count}" in browser.text()
    browser.call("Page.reload")
    browser.wait(f"{HITS} === {len(wanted)}")
    assert shown(browser) == wanted
    assert browser.run("document.querySelector('[name=gender]').value") == '"Women"'
    assert "gender: Women; price <= 30" in browser.text()
    browser.click("#collapse")
    browser.wait("document.querySelector('#results').innerText.includes('near-duplicate')")
    assert shown(browser) == [h.id for h in shop.similar(picked, 24, where=where, collapse=0.98)]
    browser.run("document.querySelector('#filters button').click()")
    browser.wait(f"{HITS} === 24")
    assert browser.run("location.search") == f"?id={picked.replace('/', '%2F')}"
    assert browser.errors == []


def test_what_is_no_picture_or_too_large_is_said_in_words(browser, tmp_path):
    (tmp_path / "letter.jpg").write_text("this is no picture")
    browser.upload("#file", tmp_path / "letter.jpg")
    browser.wait("!document.getElementById('problem').hidden")
    assert "this picture cannot be read: not an image" in browser.text()
    assert browser.run(CARDS) == 0
    browser.click("#clear")
    browser.wait(f"{CARDS} === 24 && document.getElementById('problem').hidden")
    browser.errors.clear()  # the 400 is logged by the browser itself
    with (tmp_path / "huge.jpg").open("wb") as file:
        file.truncate(21 * 2**20)
    browser.upload("#file", tmp_path / "huge.jpg")
    browser.wait("!document.getElementById('problem').hidden")
    assert "huge.jpg has more than 20 MB" in browser.text()
    assert browser.run(CARDS) == 24
    assert browser.errors == []


def test_values_that_look_like_html_are_text(browser):
    choose(browser, "maker", EVIL)
    browser.wait("document.getElementById('status').innerText === 'Pick one of 8'")
    assert EVIL in browser.text()
    assert browser.run("window.pwned") is None
    assert browser.run("document.querySelectorAll('#results img[src=x]').length") == 0
    assert browser.errors == []


def test_the_policy_holds_in_the_browser(browser):
    browser.run(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.pwned = 2'; "
        "document.body.append(s); "
        "const i = document.createElement('img'); i.src = 'http://127.0.0.1:9/x.png'; "
        "document.body.append(i); })()"
    )
    assert browser.run("fetch('http://127.0.0.1:9/').catch(() => 'refused')") == "refused"
    assert browser.run("window.pwned") is None
    browser.run("new Promise((done) => setTimeout(done, 100))")
    refused = " ".join(error for error in browser.errors if "Content Security Policy" in error)
    assert all(kind in refused for kind in ("script-src", "img-src", "connect-src"))


def test_on_a_phone_nothing_is_wider_than_the_screen_and_fingers_hit(browser, server, tmp_path):
    browser.resize(360, 740, phone=True)
    browser.open(f"{server.url}?id=images%2F00.png", HITS)
    assert browser.run("document.documentElement.scrollWidth") <= 360
    assert not browser.run("document.getElementById('filtering').open")
    browser.click("summary")
    browser.wait("document.getElementById('filtering').open")
    assert browser.run("document.documentElement.scrollWidth") <= 360
    heights = browser.run(
        "[...document.querySelectorAll('.button, select, summary, #results a, .tick')]"
        ".filter((e) => e.offsetParent).map((e) => e.getBoundingClientRect().height)"
    )
    assert len(heights) > 24
    assert min(heights) >= 44


def test_dark_and_light_are_the_readers(browser, tmp_path):
    shades = []
    for dark in (False, True):
        browser.dark(dark)
        browser.screenshot(tmp_path / "page.png")
        pixels = Image.open(tmp_path / "page.png").convert("L")
        shades.append(pixels.getpixel((5, 5)))
        ink = browser.run("getComputedStyle(document.body).color")
        light = sum(map(int, ink[4:-1].split(","))) / 3
        assert abs(light - shades[-1]) > 150
    assert shades[0] > 200
    assert shades[1] < 60


def test_a_server_that_is_gone_is_said_so(browser, shop):
    with SearchServer(shop) as other:
        thread = threading.Thread(target=other.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        browser.open(other.url, CARDS)
        other.shutdown()
        thread.join()
    browser.click("#results a")
    browser.wait("!document.getElementById('problem').hidden", 90)
    assert "does not answer" in browser.text()
