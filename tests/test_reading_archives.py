"""Archives and downloads: cut off, dangerous, damaged, or none at all."""

import hashlib
import io
import lzma
import random
import re
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from file_server import serving
from PIL import Image

from tl_keras import InputError
from tl_keras.data.reading import download as downloading
from tl_keras.data.reading import unpacking
from tl_keras.data.reading.archive import from_archive
from tl_keras.data.reading.download import download
from tl_keras.data.reading.unpacking import unpack


@pytest.fixture(autouse=True)
def keras_home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(downloading, "_WAITS", (0.0, 0.0, 0.0, 0.0))
    return tmp_path / "home"


def picture(number: int) -> bytes:
    buffer = io.BytesIO()
    pixels = np.random.default_rng(number).integers(0, 256, (12, 10, 3), np.uint8)
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


PHOTOS = {
    f"photos/{name}/{number}.png": picture(number + 100 * index)
    for index, name in enumerate(("ants", "bées"))
    for number in range(4)
}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, data in files.items():
            file.writestr(name, data)
    return buffer.getvalue()


def tarred(files: dict[str, bytes | tarfile.TarInfo], packing: str = "gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=f"w:{packing}") as file:
        for name, data in files.items():
            if isinstance(data, tarfile.TarInfo):
                data.name = name
                file.addfile(data)
            else:
                member = tarfile.TarInfo(name)
                member.size = len(data)
                file.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def link(kind: bytes, target: str) -> tarfile.TarInfo:
    member = tarfile.TarInfo()
    member.type, member.linkname = kind, target
    return member


@pytest.mark.parametrize("packing", ["zip", "", "gz", "bz2", "xz"])
def test_every_kind_is_unpacked_once_and_opened(packing, tmp_path, capsys):
    path = tmp_path / "photos.bin"
    path.write_bytes(zipped(PHOTOS) if packing == "zip" else tarred(PHOTOS, packing))
    examples = from_archive(path)
    assert examples.class_names == ("ants", "bées") and len(examples) == 8
    said = capsys.readouterr().err
    assert "no checksum was given" in said and hashlib.sha256(path.read_bytes()).hexdigest() in said
    for file in map(Path, examples.paths):
        assert PHOTOS[f"photos/{file.parent.name}/{file.name}"] == file.read_bytes()
    before = {file: Path(file).stat().st_mtime_ns for file in examples.paths}
    again = from_archive(path, progress=False)
    assert {file: Path(file).stat().st_mtime_ns for file in again.paths} == before
    assert not capsys.readouterr().err


def test_the_checksum_is_verified_before_anything_is_unpacked(tmp_path, keras_home):
    path = tmp_path / "photos.zip"
    path.write_bytes(zipped(PHOTOS))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    with pytest.raises(InputError, match=f"has the sha256 {digest}, not 0000"):
        from_archive(path, sha256="0" * 64, progress=False)
    assert not keras_home.exists()
    assert len(from_archive(path, sha256="SHA256:" + digest.upper(), progress=False)) == 8
    with pytest.raises(InputError, match="64 hexadecimal digits"):
        from_archive(path, sha256="abc")


def test_a_download_that_breaks_off_goes_on_where_it_stopped(tmp_path):
    data = zipped(PHOTOS)
    with serving({"/photos.zip": data}) as server:
        server.cut_after, server.cuts = len(data) // 4, 3
        path = download(server.url("/photos.zip"), progress=False)
        assert path.read_bytes() == data and path.name == "photos.zip"
        quarter = len(data) // 4
        assert [span for _, span in server.asked] == [
            "", f"bytes={quarter}-", f"bytes={2 * quarter}-", f"bytes={3 * quarter}-"
        ]  # fmt: skip
        assert server.sent == len(data)
        download(server.url("/photos.zip"), progress=False)
        assert len(server.asked) == 4  # it was there
    assert not list(path.parent.glob("*.part*"))


def test_a_download_goes_on_in_the_next_run():
    data = random.Random(0).randbytes(300_000)
    with serving({"/a.zip": data}) as server:
        server.cut_after, server.cuts = 1, 10**6
        server.ranges = False  # so that it gets no further
        server.cut_after = 100_000
        with pytest.raises(InputError, match=r"a\.zip broke off after 100000 bytes .*run the same"):
            download(server.url("/a.zip"), progress=False)
        server.ranges, server.cuts, server.sent = True, 0, 0
        assert download(server.url("/a.zip"), progress=False).read_bytes() == data
        assert server.sent == 200_000 and server.asked[-1][1] == "bytes=100000-"


def test_a_server_without_ranges_begins_anew():
    data = random.Random(0).randbytes(50_000)
    with serving({"/a.zip": data}) as server:
        server.ranges, server.cut_after, server.cuts = False, 20_000, 2
        assert download(server.url("/a.zip"), progress=False).read_bytes() == data


@pytest.mark.parametrize("etag", ['"2"', ""])
def test_two_versions_of_a_file_are_never_mixed(etag):
    old, new = random.Random(0).randbytes(50_000), random.Random(1).randbytes(40_000)
    with serving({"/a.zip": old}) as server:
        server.cut_after, server.cuts, server.ranges = 20_000, 10**6, False
        if not etag:
            server.etag = ""
        with pytest.raises(InputError, match="broke off"):
            download(server.url("/a.zip"), progress=False)
        server.files["/a.zip"], server.etag, server.cuts, server.ranges = new, etag, 0, True
        assert download(server.url("/a.zip"), progress=False).read_bytes() == new


def test_a_file_that_shrank_is_fetched_anew():
    with serving({"/a.zip": bytes(50_000)}) as server:
        server.cut_after, server.cuts, server.ranges = 30_000, 10**6, False
        with pytest.raises(InputError, match="broke off"):
            download(server.url("/a.zip"), progress=False)
        server.files["/a.zip"], server.cuts, server.ranges = b"short", 0, True
        assert download(server.url("/a.zip"), progress=False).read_bytes() == b"short"


def test_a_server_that_is_busy_is_asked_again():
    with serving({"/a.zip": b"PK"}) as server:
        server.status = [503, 429]
        assert download(server.url("/a.zip"), progress=False).read_bytes() == b"PK"


@pytest.mark.parametrize("length", [True, False])
def test_what_the_server_sends_instead_is_named(length, keras_home):
    page = b"<!DOCTYPE html><html>Log in first</html>"
    with serving({"/a.zip": page, "/b.zip": zipped(PHOTOS)[:-90]}) as server:
        server.said_length = length
        with pytest.raises(InputError, match=r"missing\.zip: 404 .*check the address"):
            from_archive(server.url("/missing.zip"))
        with pytest.raises(InputError, match=r"a\.zip is no zip.* web page"):
            from_archive(server.url("/a.zip"), progress=False)
        with pytest.raises(InputError, match=r"b\.zip is damaged or cut off"):
            from_archive(server.url("/b.zip"), progress=False)
        # Neither is kept: once the server has the right file, the same call gets it.
        server.files["/b.zip"] = zipped(PHOTOS)
        assert len(from_archive(server.url("/b.zip"), progress=False)) == 8
        server.content_type = "text/html; charset=utf-8"
        with pytest.raises(InputError, match="is a web page"):
            from_archive(server.url("/c/a.zip").replace("/c/", "/"), progress=False)


def test_a_download_with_another_checksum_is_removed(keras_home):
    data = zipped(PHOTOS)
    with serving({"/a.zip": b"PK" + data}) as server:
        digest = hashlib.sha256(data).hexdigest()
        with pytest.raises(InputError, match=f"not {digest}; it was removed"):
            from_archive(server.url("/a.zip"), sha256=digest, progress=False)
        server.files["/a.zip"] = data
        assert len(from_archive(server.url("/a.zip"), sha256=digest, progress=False)) == 8


def test_addresses_that_lead_nowhere():
    with serving({}) as server:
        gone = server.url("/a.zip")
    with pytest.raises(InputError, match=r"cannot reach .*check the address and the network"):
        download(gone, progress=False)
    for url in ("http://", "http://[", "http://127.0.0.1:port/a.zip", "http://127.0.0.1:1/a b\n"):
        with pytest.raises(InputError):
            download(url, progress=False)


def test_a_secret_in_the_address_is_not_repeated():
    with serving({}) as server, pytest.raises(InputError) as caught:
        download(server.url("/a.zip?token=hush"), progress=False)
    assert "hush" not in str(caught.value) and "404" in str(caught.value)


OUTSIDE = ["../evil.png", "photos/../../evil.png", "/evil.png", "..\\evil.png", "C:\\evil.png"]


@pytest.mark.parametrize("name", OUTSIDE)
@pytest.mark.parametrize("packing", ["zip", "tar"])
def test_nothing_is_written_outside(name, packing, tmp_path):
    path, folder = tmp_path / "evil.bin", tmp_path / "deep" / "inside"
    folder.mkdir(parents=True)
    files = {**PHOTOS, name: b"evil"}
    path.write_bytes(zipped(files) if packing == "zip" else tarred(files))
    with pytest.raises(InputError, match=r"would write to .*outside of its folder"):
        unpack(path, folder, progress=False)
    assert not [file for file in tmp_path.rglob("*evil*") if file != path]


def test_links_lead_nowhere(tmp_path):
    secret = tmp_path / "secret"
    secret.mkdir()
    path, folder = tmp_path / "a.tar.gz", tmp_path / "inside"
    folder.mkdir()
    path.write_bytes(tarred({
        "a/1.png": b"one",
        "a/copy.png": link(tarfile.LNKTYPE, "a/1.png"),
        "a/away": link(tarfile.SYMTYPE, str(secret)),
        "a/away/written.png": b"through the link",
        "a/dangling": link(tarfile.LNKTYPE, "a/none.png"),
    }))  # fmt: skip
    assert unpack(path, folder, progress=False) == 2
    assert (folder / "a/copy.png").read_bytes() == b"one"
    assert not list(secret.iterdir()) and not any(file.is_symlink() for file in folder.rglob("*"))
    path.write_bytes(tarred({"a/x": link(tarfile.LNKTYPE, "../secret/x")}))
    with pytest.raises(InputError, match="outside of its folder"):
        unpack(path, folder, progress=False)


def test_links_of_a_zip_are_left_out(tmp_path):
    path, folder = tmp_path / "a.zip", tmp_path / "inside"
    folder.mkdir()
    with zipfile.ZipFile(path, "w") as file:
        member = zipfile.ZipInfo("away")
        member.external_attr = (stat.S_IFLNK | 0o777) << 16
        file.writestr(member, "/etc")
        file.writestr("a.png", b"a")
    assert unpack(path, folder, progress=False) == 1
    assert [file.name for file in folder.iterdir()] == ["a.png"]


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
def test_devices_and_pipes_are_refused(kind, tmp_path):
    path, folder = tmp_path / "a.tar", tmp_path / "inside"
    folder.mkdir()
    path.write_bytes(tarred({"a/null": link(kind, "")}, ""))
    with pytest.raises(InputError, match="holds a device or a pipe, 'a/null'"):
        unpack(path, folder, progress=False)
    assert not list(folder.rglob("null"))


@pytest.mark.parametrize("packing", ["zip", "gz", "xz"])
def test_bombs_are_refused_before_they_fill_the_disk(packing, tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "ALWAYS_ALLOWED", 2**20)
    path, folder = tmp_path / "bomb", tmp_path / "inside"
    folder.mkdir()
    files = {f"{number}.bmp": bytes(2**24) for number in range(2)}
    path.write_bytes(zipped(files) if packing == "zip" else tarred(files, packing))
    with pytest.raises(InputError, match="a bomb"):
        unpack(path, folder, progress=False)
    written = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    assert written <= max(2**20, unpacking.MAX_RATIO * path.stat().st_size)


def test_a_zip_that_lies_about_its_sizes(tmp_path, monkeypatch):
    monkeypatch.setattr(unpacking, "ALWAYS_ALLOWED", 2**20)
    data = bytearray(zipped({"a.bmp": bytes(19_088_743)}))
    real, said = (19_088_743).to_bytes(4, "little"), (1000).to_bytes(4, "little")
    assert data.count(real) == 2
    path, folder = tmp_path / "a.zip", tmp_path / "inside"
    folder.mkdir()
    path.write_bytes(data.replace(real, said))
    with pytest.raises(InputError, match="damaged"):
        unpack(path, folder, progress=False)


def test_headers_that_never_end(tmp_path, monkeypatch):
    """Headers of gigabytes, and endless empty files, write nothing and cost all the same."""
    monkeypatch.setattr(unpacking, "ALWAYS_ALLOWED", 2**20)
    folder = tmp_path / "inside"
    folder.mkdir()
    header = tarfile.TarInfo("a")
    header.type, header.size = tarfile.XHDTYPE, 2**32
    path = tmp_path / "a.tar"
    path.write_bytes(header.tobuf() + bytes(2**16))
    with pytest.raises(InputError, match="a header of"):
        unpack(path, folder, progress=False)
    path.write_bytes(lzma.compress(tarfile.TarInfo("empty").tobuf() * 9000 + bytes(1024)))
    with pytest.raises(InputError, match="a bomb"):
        unpack(path, folder, progress=False)
    monkeypatch.setattr(unpacking, "MAX_MEMBERS", 100)
    with pytest.raises(InputError, match="more than 100 files"):
        unpack(path, folder, progress=False)


def test_archives_of_other_kinds_and_with_passwords(tmp_path):
    folder = tmp_path / "inside"
    folder.mkdir()
    path = tmp_path / "a"
    for head, name in ((b"7z\xbc\xaf'\x1c", "7-Zip"), (b"Rar!\x1a\7", "RAR")):
        path.write_bytes(head + bytes(600))
        with pytest.raises(InputError, match=f"is a {name} archive; unpack it"):
            unpack(path, folder, progress=False)
    data = bytearray(zipped({"a.png": b"abc"}))
    for signature, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        data[data.index(signature) + offset] |= 1
    path.write_bytes(data)
    with pytest.raises(InputError, match="locked by a password"):
        unpack(path, folder, progress=False)
    path.write_bytes(b"")
    with pytest.raises(InputError, match="empty"):
        unpack(path, folder, progress=False)


def test_a_tar_cut_off_between_two_files_is_not_taken_for_a_whole_one(tmp_path):
    whole = tarred({"a.png": b"a" * 512, "b.png": b"b" * 512}, "")
    folder, path = tmp_path / "inside", tmp_path / "a.tar"
    folder.mkdir()
    path.write_bytes(whole[:1024])
    with pytest.raises(InputError, match="damaged"):
        unpack(path, folder, progress=False)
    noise = bytearray(whole)
    noise[1024:1536] = b"x" * 512
    path.write_bytes(noise)
    with pytest.raises(InputError, match="damaged"):
        unpack(path, folder, progress=False)


def test_a_failed_unpacking_leaves_nothing_behind(tmp_path, keras_home):
    path = tmp_path / "a.tar"
    path.write_bytes(tarred(PHOTOS, "")[:5000])
    with pytest.raises(InputError, match="damaged"):
        from_archive(path, progress=False)
    left = [file for file in (keras_home / "tl_keras/unpacked").iterdir() if file.suffix != ".lock"]
    assert left == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_clear_line(tmp_path):
    from tl_keras.data.reading.cache import cannot_write

    with pytest.raises(OSError) as caught, Path("/dev/full").open("wb", buffering=0) as file:
        file.write(b"x")
    assert "the disk is full" in str(cannot_write(tmp_path, caught.value))


@pytest.mark.parametrize("packing", ["zip", "", "gz", "xz"])
def test_fuzz_mutated_archives(packing, tmp_path):
    """Every mutant is unpacked or refused in one line; nothing is written outside of the folder."""
    draw = random.Random(packing)
    names = {**PHOTOS, "a/" + "n" * 120 + ".png": b"long name"}
    sound = zipped(names) if packing == "zip" else tarred(names, packing)
    refused = 0
    for number in range(60):
        mutant = bytearray(sound)
        if draw.random() < 0.3:
            del mutant[draw.randrange(len(mutant)) :]
        for _ in range(draw.choice((0, 1, 3, 20))):
            if mutant:
                mutant[draw.randrange(len(mutant))] = draw.randrange(256)
        nest = tmp_path / str(number)
        folder, path = nest / "inside", tmp_path / f"{number}.bin"
        folder.mkdir(parents=True)
        path.write_bytes(mutant)
        try:
            unpack(path, folder, progress=False)
        except InputError as error:
            refused += 1
            assert "\n" not in str(error) and re.search("get it|give|free", str(error)), error
        assert [entry.name for entry in nest.iterdir()] == ["inside"]
    assert refused > 10
