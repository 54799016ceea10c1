"""The page over HTTP: :class:`SearchServer`."""

import contextlib
import importlib.resources
import ipaddress
import socket
import sys
import threading
import traceback
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tl_keras.errors import InputError
from tl_keras.retrieval.page.answers import MAX_UPLOAD, Answer, Answers, told

_FILES = {
    "/": ("page.html", "text/html; charset=utf-8"),
    "/page.css": ("page.css", "text/css; charset=utf-8"),
    "/page.js": ("page.js", "text/javascript; charset=utf-8"),
}
_HEADERS = {
    # Nothing but this server's own files runs or is shown; blob: is the picture being sent.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; connect-src 'self'; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
_CONNECTIONS = 64
_UPLOADS = 4  # in memory at once
_PATIENCE = 20.0  # seconds without a byte
_DRAINED = 2 * MAX_UPLOAD  # bytes of a refused picture that are read and thrown away


class SearchServer(ThreadingHTTPServer):
    """Serves the page of one catalogue.  Nobody has to log in: whoever reaches it may search.

    It sends pictures of the catalogue only, made small, and their metadata; it writes nothing.
    A page of another site can neither read from it nor, by a name that leads here, pass for it.

    Args:
        catalogue: Of :func:`tl_keras.retrieval.open_catalogue`.
        host: Address to listen on; by default this machine alone reaches it.
        port: 0 takes any that is free.

    Attributes:
        url: Where it is.

    Raises:
        InputError: The port is taken, or may not be used.

    Example:
        >>> SearchServer(open_catalogue("shoes"), port=0).url  # doctest: +SKIP
        'http://127.0.0.1:41234/'
    """

    daemon_threads = True
    request_queue_size = 32

    def __init__(self, catalogue: Any, host: str = "127.0.0.1", port: int = 0) -> None:
        self.answers = Answers(catalogue)
        self.uploads = threading.BoundedSemaphore(_UPLOADS)
        own = socket.gethostname().lower()
        self.names = {"localhost", own, f"{own}.local", host.lower()}
        self._free = threading.BoundedSemaphore(_CONNECTIONS)
        self._open: set[Any] = set()
        if ":" in host:
            self.address_family = socket.AF_INET6
        try:
            super().__init__((host, port), _Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise InputError(
                f"cannot listen on {host} port {port} ({reason}); give another --port (0 takes "
                "any that is free), or end what listens there"
            ) from None

    @property
    def url(self) -> str:
        """Where it is; of a server on every address, by this machine's name."""
        host, port = self.server_address[:2]
        host = socket.gethostname() if host in ("0.0.0.0", "::") else host
        return f"http://{f'[{host}]' if ':' in host else host}:{port}/"

    def process_request(self, request: Any, client_address: Any) -> None:
        """A thread for each connection, up to a bound."""
        if not self._free.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """The thread's work."""
        self._open.add(request)
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._open.discard(request)
            self._free.release()

    def server_close(self) -> None:
        """End it; browsers that hold a connection open are answered no more."""
        super().server_close()
        for request in list(self._open):
            with contextlib.suppress(OSError):
                request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A visitor who has gone is no error of ours."""
        if not isinstance(sys.exception(), ConnectionError | TimeoutError):
            traceback.print_exc()


class _Handler(BaseHTTPRequestHandler):
    server: SearchServer
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "tl-keras", ""
    timeout = _PATIENCE
    # Head and body go out together: apart, they wait for each other's receipt, 40 ms.
    wbufsize, disable_nagle_algorithm = 1 << 16, True

    def finish(self) -> None:
        """Close the connection, also where the visitor has gone amid an answer."""
        with contextlib.suppress(OSError):
            super().finish()
        self.rfile.close()

    def do_GET(self) -> None:
        """A file of the page, or an answer."""
        answers = self.server.answers
        self._answer(
            {
                "/api/about": answers.about,
                "/api/items": answers.items,
                "/api/similar": answers.similar,
                "/picture": answers.picture,
            }
        )

    def do_POST(self) -> None:
        """A search by a picture, which is the body."""
        self._answer({"/api/search": self._searched})

    def _answer(self, known: dict[str, Any]) -> None:
        if self.command != "POST" and self.headers.get("Content-Length", "0") != "0":
            self.close_connection = True  # a body that nobody reads
        try:
            address = urlsplit(self.path)
            asked = dict(parse_qsl(address.query, max_num_fields=20))
            refused = self._refused(address.path)
        except ValueError:
            self.close_connection = True
            self._send(told({"error": "the address is not understood"}, 400))
            return
        if refused:
            answer = told({"error": refused}, 403)
        elif self.command == "GET" and address.path in _FILES:
            name, kind = _FILES[address.path]
            file = importlib.resources.files(__package__) / name
            answer = Answer(200, kind, file.read_bytes())
        elif address.path not in known:
            answer = told({"error": "there is nothing here"}, 404)
        else:
            try:
                answer = known[address.path](asked)
            except InputError as problem:
                answer = told({"error": str(problem)}, 400)
            except (ConnectionError, TimeoutError):
                raise
            except Exception:
                traceback.print_exc()
                answer = told({"error": "a defect of the server; its terminal says more"}, 500)
        if self.command == "POST" and answer.status != 200:
            # What was not read of the body must not be taken for the next request.
            self.close_connection = True
        self._send(answer)

    def _refused(self, path: str) -> str | None:
        """Why a request is none of ours: another site's page made it."""
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""
        if host not in self.server.names:
            try:
                # A name of a stranger's can lead here; a bare address cannot be borrowed.
                ipaddress.ip_address(host)
            except ValueError:
                return "this server does not go by that name; use its address"
        if path not in _FILES and self.headers.get("Sec-Fetch-Site") in ("cross-site", "same-site"):
            return "pages of other sites may not ask"
        return None

    def _searched(self, asked: dict[str, str]) -> Answer:
        length = self.headers.get("Content-Length", "")
        sized = length.isascii() and length.isdigit() and len(length) < 16
        if not sized or "Transfer-Encoding" in self.headers:
            return told({"error": "say how long the picture is (Content-Length)"}, 411)
        size = int(length)
        if size > MAX_UPLOAD:
            self._drain(min(size, _DRAINED))
            text = f"the picture has {size / 2**20:.0f} MB, more than {MAX_UPLOAD // 2**20}"
            return told({"error": f"{text}; save it smaller"}, 413)
        if not self.server.uploads.acquire(timeout=_PATIENCE):
            return told({"error": "too many pictures at once; try again"}, 503)
        try:
            picture = self.rfile.read(size)
            if len(picture) < size:
                raise ConnectionAbortedError
            if not picture:
                return told({"error": "the file is empty; choose a picture"}, 400)
            return self.server.answers.search(asked, picture)
        finally:
            self.server.uploads.release()

    def _drain(self, size: int) -> None:
        """Read on, or the visitor's program breaks off before it reads the answer."""
        while size > 0:
            read = len(self.rfile.read(min(size, 1 << 16)))
            if not read:
                return
            size -= read

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        kept = "private, max-age=300" if answer.lasting else "no-store"
        self.send_header("Cache-Control", kept)
        self.send_header("Content-Type", answer.kind)
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, *_: object) -> None:
        """Nothing: pictures of people may be asked for by name."""
