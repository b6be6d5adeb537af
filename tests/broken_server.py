"""A small web server on this machine that can be told to misbehave."""

import hashlib
import threading
import time
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Misdeed = Callable[["Handler", bytes], None]


@dataclass
class Site:
    """Files by path, what goes wrong with each next request for one, and who asked for what."""

    files: dict[str, bytes] = field(default_factory=dict)
    misdeeds: dict[str, list[Misdeed]] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    queries: dict[str, str] = field(default_factory=dict)  # the last one, by path
    has_ranges: bool = True
    has_tags: bool = True
    address: str = ""

    def url(self, path: str) -> str:
        return f"{self.address}{path}"

    def ranges(self, path: str) -> list[str | None]:
        """What part each request asked for."""
        return [headers.get("Range") for where, headers in self.asked if where == path]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: Site

    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        self.site.queries[path] = query
        self.site.asked.append((path, dict(self.headers)))
        body = self.site.files.get(path)
        left = self.site.misdeeds.get(path)
        if left:
            left.pop(0)(self, body or b"")
        elif body is None:
            self.answer(404, b"<html>no such page</html>", {"Content-Type": "text/html"})
        else:
            self.serve(body)

    def serve(self, body: bytes) -> None:
        """As a good server would."""
        tag = tag_of(body)
        headers = {"ETag": tag} if self.site.has_tags else {}
        if self.site.has_tags and self.headers.get("If-None-Match") == tag:
            self.answer(304, b"", headers)
            return
        asked = self.headers.get("Range", "")
        if self.site.has_ranges and asked and self.headers.get("If-Range") == tag:
            first = int(asked.removeprefix("bytes=").removesuffix("-"))
            if first >= len(body):
                self.answer(416, b"", {"Content-Range": f"bytes */{len(body)}"})
                return
            headers["Content-Range"] = f"bytes {first}-{len(body) - 1}/{len(body)}"
            self.answer(206, body[first:], headers)
            return
        self.answer(200, body, headers)

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Tests look at ``Site.asked``."""


def tag_of(body: bytes) -> str:
    return f'"{hashlib.sha256(body).hexdigest()[:16]}"'


def with_status(status: int, **headers: str) -> Misdeed:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, body: handler.answer(status, b"busy", named)


def cut_off_after(count: int) -> Misdeed:
    """Promises the rest that was asked for, sends so many bytes of it and hangs up."""

    def misdeed(handler: Handler, body: bytes) -> None:
        asked = handler.headers.get("Range", "bytes=0-")
        first = int(asked.removeprefix("bytes=").removesuffix("-"))
        handler.send_response(206 if first else 200)
        handler.send_header("ETag", tag_of(body))
        handler.send_header("Content-Length", str(len(body) - first))
        if first:
            handler.send_header("Content-Range", f"bytes {first}-{len(body) - 1}/{len(body)}")
        handler.end_headers()
        handler.wfile.write(body[first : first + count])
        handler.close_connection = True

    return misdeed


def trickle(pause: float, count: int = 1, times: int = 200) -> Misdeed:
    """A few bytes, a pause, and so on; gives up when the other side has gone."""

    def misdeed(handler: Handler, body: bytes) -> None:
        handler.send_response(200)
        handler.send_header("ETag", tag_of(body))
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        try:
            for start in range(0, min(len(body), count * times), count):
                handler.wfile.write(body[start : start + count])
                handler.wfile.flush()
                time.sleep(pause)
        except OSError:
            pass
        handler.close_connection = True

    return misdeed


def of_length(length: int) -> Misdeed:
    """Sends all of the body and claims another length."""

    def misdeed(handler: Handler, body: bytes) -> None:
        handler.close_connection = True
        handler.answer(200, body, {"Content-Length": str(length), "ETag": tag_of(body)})

    return misdeed


def instead(body: bytes, **headers: str) -> Misdeed:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda handler, _: handler.answer(200, body, named)


def with_head(*lines: bytes, body: bytes = b"") -> Misdeed:
    """Sends these lines as they are, and hangs up."""

    def misdeed(handler: Handler, _: bytes) -> None:
        handler.wfile.write(b"\r\n".join([*lines, b"", body]))
        handler.close_connection = True

    return misdeed


def moved_to(path: str) -> Misdeed:
    return lambda handler, _: handler.answer(302, b"", {"Location": path})


@contextmanager
def serving(site: Site):
    """The site at ``site.address`` on the loopback interface, until the block ends."""

    class Bound(Handler):
        pass

    Bound.site = site
    with ThreadingHTTPServer(("127.0.0.1", 0), Bound) as server:
        server.daemon_threads = True
        server.block_on_close = False
        site.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
