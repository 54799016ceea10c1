"""The search page's server: what it tells, what it refuses, and what it never tells."""

import gc
import http.client
import io
import json
import re
import socket
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import quote

import numpy as np
import pytest
from PIL import Image
from shops import ODD, paint

from tl_keras.errors import InputError
from tl_keras.retrieval import Embedder, open_catalogue
from tl_keras.retrieval.page import SearchServer
from tl_keras.retrieval.page.answers import MAX_UPLOAD, Answers
from tl_keras.retrieval.page.overview import Overview


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


def ask(server, path, method="GET", body=None, headers=None):
    connection = http.client.HTTPConnection(*server.server_address[:2], timeout=60)
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    data = answer.read()
    connection.close()
    if answer.headers["Content-Type"] == "application/json":
        data = json.loads(data)
    return answer.status, data, answer.headers


def raw(server, data):
    """What comes back for these very bytes."""
    with socket.create_connection(server.server_address[:2], timeout=30) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def expected(hits):
    return [(hit.id, round(hit.score, 4), len(hit.duplicates)) for hit in hits]


def told(answer):
    return [(hit["id"], hit["score"], len(hit["duplicates"])) for hit in answer["hits"]]


def test_everything_is_sent_with_a_policy_that_lets_nothing_foreign_in(server):
    for path in ("/", "/page.js", "/page.css", "/api/about", "/picture?id=images/00.png", "/no"):
        _, data, headers = ask(server, path)
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
        if isinstance(data, bytes) and path in ("/", "/page.js", "/page.css"):
            text = data.decode()
            assert not re.search(r"https?:|//\w", text.replace("//-", "").replace("// ", ""))
            assert "style=" not in text
            assert not re.search(r"\son\w+=", text)


def test_about_says_what_there_is_to_filter_by(server):
    status, about, _ = ask(server, "/api/about")
    assert status == 200
    assert about["items"] == about["looked_at"] == 36
    filters = {one["name"]: one for one in about["filters"]}
    assert set(filters) == {"colour", "gender", "maker", "new", "price"}
    assert filters["price"] == {"name": "price", "kind": "range", "low": 10, "high": 45}
    assert dict(map(tuple, filters["colour"]["values"])) == {"red": 12, "green": 12, "blue": 12}
    assert dict(map(tuple, filters["new"]["values"])) == {True: 12, False: 24}


def test_searches_are_those_of_the_catalogue(server, shop, tmp_path):
    where = {"gender": "Women", "price": {"<": 40}}
    query = quote(json.dumps(where))
    _, answer, _ = ask(server, f"/api/similar?id=images/00.png&k=5&where={query}")
    assert told(answer) == expected(shop.similar("images/00.png", 5, where=where))
    assert len(answer["hits"]) == 5
    assert answer["fitting"] == shop.index.count(where)
    assert answer["query"]["metadata"]["colour"] == "blue"
    assert not {"blake2b", "path"} & {name for hit in answer["hits"] for name in hit["metadata"]}
    _, answer, _ = ask(server, "/api/similar?id=images/00.png&collapse=1")
    collapsed = shop.similar("images/00.png", 24, collapse=0.98)
    assert told(answer) == expected(collapsed)
    assert any(hit.duplicates for hit in collapsed)
    paint(tmp_path / "query.png", "green", 1234)
    data = (tmp_path / "query.png").read_bytes()
    _, answer, _ = ask(server, "/api/search?k=7", "POST", data)
    assert told(answer) == expected(shop.search(data, 7))
    # A file of the catalogue is not among its own results.
    data = shop.path_of("images/00.png").read_bytes()
    _, answer, _ = ask(server, "/api/search", "POST", data)
    assert "images/00.png" not in {hit["id"] for hit in answer["hits"]}


def test_near_duplicates_are_nearer_where_likeness_was_trained(shop):
    own = shop.embedder
    trained = Embedder(own.model, image_size=own.image_size, source=own.source, task_name="embed")
    answers = Answers(open_catalogue(shop.folder, trained))
    found = json.loads(answers.similar({"id": "images/00.png", "collapse": "1"}).body)
    wanted = expected(shop.similar("images/00.png", 24, collapse=0.999))
    assert told(found) == wanted
    assert wanted != expected(shop.similar("images/00.png", 24, collapse=0.98))


def test_items_to_pick_are_filtered_and_every_one_comes_once(server, shop):
    seen = []
    for start in (0, 10, 20, 30, 40):
        _, answer, _ = ask(server, f"/api/items?start={start}&k=10")
        seen += [one["id"] for one in answer["items"]]
    assert sorted(seen) == sorted(shop.index.ids())
    where = {"new": True, "price": {">=": 20, "<": 30}}
    _, answer, _ = ask(server, f"/api/items?where={quote(json.dumps(where))}")
    assert answer["fitting"] == len(answer["items"]) == shop.index.count(where) == 3


def test_pictures_are_made_small_and_names_may_be_odd(server, shop):
    item = f"images/{ODD}"
    assert item in shop.index.ids()
    status, data, headers = ask(server, f"/picture?id={quote(item, safe='')}")
    assert (status, headers["Content-Type"]) == (200, "image/jpeg")
    image = Image.open(io.BytesIO(data))
    assert image.format == "JPEG"
    assert max(image.size) == 320
    colour = np.asarray(image).reshape(-1, 3).mean(axis=0)
    assert colour.argmax() == 1  # number 4 is green
    _, answer, _ = ask(server, f"/api/similar?id={quote(item, safe='')}&k=1")
    assert answer["query"]["id"] == item


@pytest.mark.parametrize(
    "path",
    [
        "/../../../../etc/passwd", "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd", "/page.html",
        "/server.py", "/../server.py", "/picture?id=../../../../etc/passwd",
        "/picture?id=/etc/passwd", "/picture?id=images/../table.csv", "/picture?id=table.csv",
        "/picture?id=images%2f..%2f..%2findex%2fcatalogue.json", "/picture?id=%00", "/picture",
        "/picture?id=images/00.png%00.jpg", "/index/catalogue.json",
    ],
)  # fmt: skip
def test_no_path_leads_to_a_file(server, path):
    sent = raw(server, f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    assert sent.startswith(b"HTTP/1.1 404")
    for secret in (b"root:", b"SearchServer", b"images/", b"fingerprint", b"\xff\xd8"):
        assert secret not in sent


def test_an_id_that_is_in_the_index_but_no_picture_is_not_sent(shop):
    # Whoever can write an index can name any file; what is no picture is still not told.
    other = open_catalogue(shop.folder, shop.embedder)
    other.index.add(["../../../../etc/passwd"], np.ones((1, shop.index.dimension)))
    try:
        with SearchServer(other) as server:
            thread = threading.Thread(target=server.serve_forever)
            thread.start()
            status, answer, _ = ask(server, "/picture?id=../../../../etc/passwd")
            server.shutdown()
            thread.join()
    finally:
        other.index.delete(["../../../../etc/passwd"])
    assert status == 404
    assert "passwd" not in answer["error"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"this is text", "not an image"),
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "cannot be read"),
        (b"%PDF-1.7 ...", "not an image"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not an image"),
    ],
)
def test_uploads_that_are_no_picture_are_refused_in_a_line(server, data, words):
    status, answer, _ = ask(server, "/api/search", "POST", data)
    assert status == 400
    assert words in answer["error"]
    assert "\n" not in answer["error"]
    assert ask(server, "/api/about")[0] == 200


def test_a_picture_that_would_unpack_to_gigabytes_is_refused(server):
    header = bytearray(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")
    header += (50_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    header += zlib.crc32(header[12:]).to_bytes(4, "big") + b"\0\0\0\0IEND\xaeB`\x82"
    status, answer, _ = ask(server, "/api/search", "POST", bytes(header))
    assert status == 400
    assert "bomb" in answer["error"]


def test_uploads_that_are_too_large_are_refused_before_they_are_read(server):
    status, answer, _ = ask(server, "/api/search", "POST", bytes(MAX_UPLOAD + 1))
    assert status == 413
    assert "more than 20" in answer["error"]
    began = time.monotonic()
    head = "POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999999\r\n\r\n"
    assert b" 413 " in raw(server, head.encode())
    assert time.monotonic() - began < 18


@pytest.mark.parametrize(
    ("head", "status"),
    [
        ("POST /api/search HTTP/1.1\r\nHost: localhost\r\n\r\n", b" 411 "),
        ("POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n", b" 411 "),
        (
            "POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
            b" 411 ",
        ),
        ("PUT / HTTP/1.1\r\nHost: localhost\r\n\r\n", b" 501 "),
        ("GET /api/search HTTP/1.1\r\nHost: localhost\r\n\r\n", b" 404 "),
        ("GET http://[ HTTP/1.1\r\nHost: localhost\r\n\r\n", b" 400 "),
        ("GET / HTTP/1.1\r\nHost: [\r\n\r\n", b" 400 "),
        ("nonsense\r\n\r\n", b"400"),
    ],
)
def test_requests_out_of_order_are_answered_and_hurt_nobody(server, head, status):
    assert status in raw(server, head.encode()).split(b"Content-Security")[0]
    assert ask(server, "/api/about")[0] == 200


def test_an_upload_broken_off_ends_quietly(server, capfd):
    head = "POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\nabc"
    assert raw(server, head.encode()) == b""
    assert ask(server, "/api/about")[0] == 200
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.filterwarnings("error")
def test_visitors_who_leave_amid_an_answer_leave_nothing_behind(server, capfd):
    for _ in range(20):
        with socket.create_connection(server.server_address[:2]) as gone:
            # Linger 0: closing breaks the connection off.
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            gone.sendall(b"GET /page.js HTTP/1.1\r\nHost: localhost\r\n\r\n" * 20)
    assert ask(server, "/api/about")[0] == 200
    gc.collect()
    assert "Traceback" not in capfd.readouterr().err


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/api/similar?id=images/00.png&k=0", "k is a whole number from 1 to 200"),
        ("/api/similar?id=images/00.png&k=1e3", "k is a whole number"),
        ("/api/similar?id=images/00.png&k=" + "9" * 5000, "k is a whole number"),
        ("/api/items?start=-1", "start is a whole number"),
        ("/api/items?where=[1]", "JSON object"),
        ("/api/items?where=" + "[" * 5000, "JSON object"),
        ("/api/items?where={", "JSON object"),
        ('/api/similar?id=images/00.png&where={"colour":{"$gt":1}}', "limits"),
        ('/api/similar?id=images/00.png&where={"size":"M"}', "no item has such a column"),
        ('/api/similar?id=images/00.png&where={"colour":NaN}', "cannot compare"),
    ],
)
def test_wrong_questions_are_answered_with_what_is_wrong(server, path, words):
    status, answer, _ = ask(server, path.replace(" ", "%20"))
    assert status == 400
    assert words in answer["error"]


def test_pages_of_other_sites_are_refused(server):
    port = server.server_address[1]
    for host in ("evil.example", f"evil.example:{port}", "localhost.evil.example", ""):
        status, answer, _ = ask(server, "/api/about", headers={"Host": host})
        assert status == 403
        assert set(answer) == {"error"}
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", "[::1]"):
        assert ask(server, "/", headers={"Host": host})[0] == 200
    for site, status in (("cross-site", 403), ("same-site", 403), ("same-origin", 200)):
        asked = {"Sec-Fetch-Site": site}
        assert ask(server, "/picture?id=images/00.png", headers=asked)[0] == status
        assert ask(server, "/", headers=asked)[0] == 200  # a link to the page may be followed


def test_many_ask_at_once_and_each_gets_its_own_answer(server, shop, tmp_path):
    pictures = []
    for seed, colour in enumerate(["red", "green", "blue"] * 2):
        paint(tmp_path / f"{seed}.png", colour, 500 + seed)
        pictures.append((tmp_path / f"{seed}.png").read_bytes())
    wanted = [expected(shop.search(data, 5)) for data in pictures]
    ids = sorted(shop.index.ids())

    def one(number):
        if number % 2:
            data = pictures[number % 6]
            return told(ask(server, "/api/search?k=5", "POST", data)[1]) == wanted[number % 6]
        return ask(server, f"/picture?id={quote(ids[number % len(ids)])}")[0] == 200

    with ThreadPoolExecutor(12) as pool:
        assert all(pool.map(one, range(36)))


def test_a_slow_visitor_holds_nobody_up_and_there_is_a_bound(server):
    slow = [socket.create_connection(server.server_address[:2]) for _ in range(30)]
    for one in slow:
        one.sendall(b"POST /api/search HTTP/1.1\r\nHost: localhost\r\nContent-Le")
    began = time.monotonic()
    assert ask(server, "/api/about")[0] == 200
    assert time.monotonic() - began < 18
    slow += [socket.create_connection(server.server_address[:2]) for _ in range(40)]
    time.sleep(0.2)
    slow[-1].settimeout(10)
    assert slow[-1].recv(1) == b""  # one too many: closed at once
    for one in slow:
        one.close()
    time.sleep(0.2)
    assert ask(server, "/api/about")[0] == 200


def test_changes_of_the_catalogue_are_seen(server, shop):
    vector = shop.index.vectors(["images/00.png"])
    shop.index.add(["images/late.png"], vector, [{"colour": "violet", "blake2b": "0"}])
    try:
        about = ask(server, "/api/about")[1]
        assert about["items"] == 37
        values = next(one["values"] for one in about["filters"] if one["name"] == "colour")
        assert ["violet", 1] in values
        assert ask(server, "/api/similar?id=images/late.png")[0] == 200
    finally:
        shop.index.delete(["images/late.png"])
    status, answer, _ = ask(server, "/api/similar?id=images/late.png")
    assert status == 404
    assert "images/late.png" in answer["error"]


def test_a_port_that_is_taken_is_said_so(server, shop):
    with pytest.raises(InputError, match=r"cannot listen on 127.0.0.1 port \d+ .*--port"):
        SearchServer(shop, port=server.server_address[1])
    with pytest.raises(InputError, match="cannot listen on no-such-host port 0"):
        SearchServer(shop, "no-such-host")


def test_overviews_of_large_catalogues_are_drawn(shop, monkeypatch):
    monkeypatch.setattr("tl_keras.retrieval.page.overview.LOOKED_AT", 10)
    some = Overview(shop.index)
    assert some.total == 36
    assert len(set(some.ids)) == 10
    assert some.ids == Overview(shop.index).ids
    assert some.some(None, 0, 100)[1] == 10


class Columns:
    """A store of columns alone."""

    def __init__(self, **columns):
        self._columns = columns

    def ids(self):
        return [f"{number:04d}" for number in range(len(next(iter(self._columns.values()))))]

    def metadata(self, ids):
        names = self._columns
        rows = ({name: names[name][int(one)] for name in names} for one in ids)
        return [{name: value for name, value in row.items() if value is not None} for row in rows]


def test_what_columns_can_be_filtered_by():
    store = Columns(
        kind=[f"Kind {number % 150:03d}" for number in range(600)],
        name=[f"name {number}" for number in range(600)],
        shop=["here"] * 600,
        stars=[number % 5 for number in range(600)],
        size=["M" if number % 3 else "s" for number in range(600)],
        sold=[True if number % 2 else None for number in range(600)],
        mixed=[[1], {"a": 1}] * 300,
        weight=[number / 8 for number in range(600)],
        half=[f"{number // 2}" for number in range(600)],
    )
    filters = {one["name"]: one for one in Overview(store).filters()}
    assert set(filters) == {"half", "kind", "size", "sold", "stars", "weight"}
    assert filters["sold"]["values"] == [[True, 300]]
    kinds = [value for value, _ in filters["kind"]["values"]]
    assert kinds == sorted(kinds)
    assert len(kinds) == 150
    assert filters["size"]["values"] == [["M", 400], ["s", 200]]
    assert filters["stars"]["values"] == [[number, 120] for number in range(5)]
    assert (filters["weight"]["low"], filters["weight"]["high"]) == (0, 599 / 8)
