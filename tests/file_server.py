"""A web server on this machine that breaks off where it is told to."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FileServer(ThreadingHTTPServer):
    """Serves ``files`` (path -> bytes) and writes down what it was asked for.

    Attributes:
        files: what it serves.
        ranges: whether it takes ranges.
        cut_after: body bytes per answer after which it hangs up; ``None`` sends all.
        cuts: how many answers more are cut off.
        etag: of every file, or "".
        status: of answers to come, before any other, e.g. ``[503]``.
        content_type: of every file.
        said_length: whether it says how long a file is.
        asked: ``(path, Range header or "")`` per request.
        sent: body bytes sent.
    """

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.files, self.ranges, self.cut_after, self.cuts = files, True, None, 0
        self.etag, self.status, self.content_type = '"1"', [], "application/octet-stream"
        self.said_length = True
        self.asked: list[tuple[str, str]] = []
        self.sent = 0

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}{path}"


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server, span = self.server, self.headers.get("Range", "")
        server.asked.append((self.path, span))
        if server.status:
            self.send_error(server.status.pop(0))
            return
        data = server.files.get(self.path.split("?")[0])
        if data is None:
            self.send_error(404)
            return
        start = 0
        if span and server.ranges and self.headers.get("If-Range", server.etag) == server.etag:
            start = int(span.removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                self.send_error(416)
                return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.send_header("Content-Type", server.content_type)
        if server.said_length:
            self.send_header("Content-Length", str(len(data) - start))
        if server.etag:
            self.send_header("ETag", server.etag)
        self.end_headers()
        body = data[start:]
        if server.cuts > 0 and server.cut_after is not None:
            server.cuts -= 1
            body = body[: server.cut_after]
        server.sent += len(body)
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def serving(files: dict[str, bytes]) -> Iterator[FileServer]:
    server = FileServer(files)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
