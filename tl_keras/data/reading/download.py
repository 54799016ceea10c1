"""Files from the net: what was cut off goes on where it stopped, and only a whole file has a name.

``keras.utils.get_file`` begins anew after every interrupt; this goes on with HTTP ranges
(RFC 9110, section 14), guarded by ``If-Range``, so that two versions of a file are never mixed.
"""

import hashlib
import http.client
import json
import re
import shutil
import ssl
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tl_keras.data.locks import only_one
from tl_keras.data.reading.cache import cache_folder, cannot_write
from tl_keras.data.reading.checksums import checked_sha256, file_sha256
from tl_keras.errors import InputError

# Seconds before each further try; one that gets further than all before starts the list anew.
_WAITS = (0.5, 1.0, 2.0, 4.0)
_TIMEOUT = 30.0
_CHUNK = 2**18
_PASSING = {408, 425, 429, 500, 502, 503, 504}  # worth another try


class _BrokenOffError(Exception):
    """The connection ended before the file did."""


def is_url(source: Any) -> bool:
    """Whether a source is the address of a file on the net.

    Args:
        source: anything.

    Returns:
        True for text that begins with ``http://`` or ``https://``.

    Example:
        >>> is_url("https://example.org/photos.zip"), is_url("photos.zip")
        (True, False)
    """
    return isinstance(source, str) and source.casefold().startswith(("http://", "https://"))


def download(
    url: str, folder: str | Path | None = None, *, sha256: str | None = None, progress: bool = True
) -> Path:
    """Downloads a file once; the next call finds it.

    While it is incomplete it is called ``.part`` and a later call goes on with it, if the server
    takes ranges and still has the same file.  Where a connection breaks off, that is tried at
    once, up to four times without getting further.

    Args:
        url: ``http://`` or ``https://``.
        folder: where to; by default ``tl_keras/archives`` below Keras' home.
        sha256: of the file, 64 hexadecimal digits; a file that differs is removed.
        progress: show a bar on standard error, if somebody is looking (a terminal).

    Returns:
        The file.

    Raises:
        InputError: there is no such address or file, it is a web page, the connection broke off
            for good, the disk is full, or the checksum differs.

    Example:
        >>> download("https://example.org/photos.zip")  # doctest: +SKIP
    """
    wanted = checked_sha256(sha256)
    shown, name = _names(url)
    parent = Path(folder).expanduser() if folder else cache_folder("archives")
    parent /= hashlib.sha256(url.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    target = parent / name
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with only_one(parent / "lock"):
            if not target.is_file():
                _fetch(url, shown, target, progress)
            if wanted and (found := file_sha256(target)) != wanted:
                target.unlink()
                raise InputError(
                    f"{shown} has the sha256 {found}, not {wanted}; it was removed: check the "
                    "address and the checksum"
                )
    except OSError as error:
        raise cannot_write(parent, error) from None
    return target


def _names(url: str) -> tuple[str, str]:
    """What messages call the address (a query may hold a secret), and the file's own name."""
    try:
        parts = urllib.parse.urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host:
        raise InputError(f"{url!r} is no address; give one like https://example.org/photos.zip")
    name = urllib.parse.unquote(parts.path.rsplit("/", 1)[-1])
    name = re.sub(r"[^\w.-]", "_", name).lstrip(".")[-100:]
    return f"{parts.scheme}://{host}{parts.path}", name or "download"


def _fetch(url: str, shown: str, target: Path, progress: bool) -> None:
    part = target.with_name(target.name + ".part")
    tries, furthest = 0, part.stat().st_size if part.exists() else 0
    with tqdm(
        desc=f"downloading {target.name}", unit="B", unit_scale=True, unit_divisor=1024,
        file=sys.stderr, disable=None if progress else True, leave=False,
    ) as bar:  # fmt: skip
        while True:
            try:
                _receive(url, shown, part, bar)
                break
            except _BrokenOffError as error:
                have = part.stat().st_size if part.exists() else 0
                tries, furthest = (0, have) if have > furthest else (tries + 1, furthest)
                if tries > len(_WAITS):
                    raise InputError(
                        f"{shown} broke off after {have} bytes ({error}); run the same again to "
                        "go on from there"
                    ) from None
                time.sleep(_WAITS[max(tries - 1, 0)])
    part.rename(target)
    _notes(part).unlink(missing_ok=True)


def _notes(part: Path) -> Path:
    return part.with_name(part.name + ".json")


def _known(part: Path) -> dict[str, Any]:
    """What the server said of the file that the part belongs to; empty where none is to be used."""
    try:
        noted = json.loads(_notes(part).read_text())
        return noted if part.stat().st_size and isinstance(noted.get("total"), int) else {}
    except (OSError, ValueError, AttributeError):
        return {}


def _receive(url: str, shown: str, part: Path, bar: tqdm) -> None:
    """One try, from where the part ends; raises ``_BrokenOffError`` where another may do better."""
    known = _known(part)
    have = part.stat().st_size if known else 0
    if have and have == known["total"]:
        return
    headers = {"User-Agent": "tl_keras", "Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
        if known.get("validator"):
            headers["If-Range"] = known["validator"]
    with _open(url, shown, part, headers) as response:
        if response.headers.get_content_type() == "text/html":
            raise InputError(
                f"{shown} is a web page, not a file of data; give the address that the download "
                "itself has"
            )
        length = response.headers.get("Content-Length", "")
        total = int(length) if length.isdigit() else None
        if response.status == 206:
            span = re.fullmatch(r"bytes (\d+)-\d+/(\d+)", response.headers.get("Content-Range", ""))
            if not span or (int(span[1]), int(span[2])) != (have, known["total"]):
                _notes(part).unlink(missing_ok=True)  # another file by now: from the beginning
                raise _BrokenOffError("the server sent another range than the one asked for")
            total = known["total"]
        else:
            have = 0
        free = shutil.disk_usage(part.parent).free
        if total is not None and free < total - have:
            raise InputError(
                f"{shown} has {total} bytes, {part.parent} has room for {free}; free some space, "
                "or give into= a folder on another disk"
            )
        _write(response, part, have, total, bar)


def _open(url: str, shown: str, part: Path, headers: dict[str, str]) -> Any:
    try:
        return urllib.request.urlopen(
            urllib.request.Request(url, headers=headers), timeout=_TIMEOUT
        )
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:  # no such range: the file is another by now
            _notes(part).unlink(missing_ok=True)
            raise _BrokenOffError("the file has changed") from None
        if error.code in _PASSING:
            raise _BrokenOffError(f"{error.code} {error.reason}") from None
        raise InputError(f"{shown}: {error.code} {error.reason}; check the address") from None
    except urllib.error.URLError as error:
        if "Range" in headers and not isinstance(error.reason, ssl.SSLError):
            raise _BrokenOffError(_one_line(error.reason)) from None
        raise InputError(
            f"cannot reach {shown}: {_one_line(error.reason)}; check the address and the network"
        ) from None
    except (http.client.HTTPException, TimeoutError, ConnectionError) as error:
        raise _BrokenOffError(_one_line(error)) from None
    except ValueError as error:  # a port that is no number, a control character
        raise InputError(f"{shown} is no usable address: {_one_line(error)}") from None


def _write(response: Any, part: Path, have: int, total: int | None, bar: tqdm) -> None:
    validator = response.headers.get("ETag", "")
    if not validator or validator.startswith("W/"):  # weak ones do not vouch for the bytes
        validator = response.headers.get("Last-Modified", "")
    with part.open("r+b" if have else "wb") as file:
        if not have:
            # Written after the part is emptied: the notes never speak of another file's bytes.
            _notes(part).write_text(json.dumps({"total": total, "validator": validator}))
        file.seek(have)
        bar.total = total
        bar.n = have
        while True:
            try:
                chunk = response.read(_CHUNK)
            except (
                http.client.HTTPException,
                TimeoutError,
                ConnectionError,
                ssl.SSLError,
            ) as error:
                raise _BrokenOffError(_one_line(error)) from None
            if not chunk:
                break
            file.write(chunk)
            have += len(chunk)
            bar.update(len(chunk))
    if total is not None and have < total:
        raise _BrokenOffError(f"{have} of {total} bytes came")


def _one_line(error: Any) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
