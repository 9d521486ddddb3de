"""A real HTTP proxy before the S3 server that does to requests what networks and S3 do."""

from __future__ import annotations

import http.client
import socket
import struct
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

#: Answers of a server that is busy, ill, or does not know the token any more.
_ANSWERS = {
    "503": (503, "SlowDown"),
    "500": (500, "InternalError"),
    "429": (429, "TooManyRequests"),
    "expired": (400, "ExpiredToken"),
}
#: What may be done to a request, beside those. `reset`: the server never sees it. `lost answer`:
#: the server does. `half answer`: the connection ends in the middle of it. `half list`: a LIST
#: ends in the middle, and says that it is whole. `slow`: a second late.
FAULTS = (*_ANSWERS, "reset", "lost answer", "half answer", "half list", "slow")


@dataclass
class Proxy:
    """What the proxy does, and has seen.

    Args:
        server: Where requests go.
        decide: Number, method and path of a request -> the fault to inject, or "".
        interrupt: Called at a fault, at the very moment that it is named after; for killing.
    """

    server: str
    decide: Callable[[int, str, str], str] = lambda _number, _method, _path: ""
    interrupt: Callable[[], None] = lambda: None
    seen: int = 0
    injected: dict[str, int] = field(default_factory=dict[str, int])
    lock: Lock = field(default_factory=Lock)

    def next_fault(self, method: str, path: str) -> str:
        """Count a request; return its fault."""
        with self.lock:
            self.seen += 1
            fault = self.decide(self.seen, method, path)
            if fault:
                self.injected[fault] = self.injected.get(fault, 0) + 1
            return fault

    def kill_at(self, kill: Callable[[], None], request: int, moment: str) -> None:
        """Count anew, and kill at a moment of a request."""
        self.seen, self.interrupt = 0, kill
        self.decide = lambda seen, _method, _path: moment if seen == request else ""

    def heal(self) -> None:
        """Forward all there is."""
        self.decide = lambda _seen, _method, _path: ""


@contextmanager
def open_proxy(server: str) -> Iterator[tuple[str, Proxy]]:  # noqa: C901  -- a class in it
    """Run a proxy; yield its address and what steers it."""
    proxy = Proxy(server)
    upstream_host = urlsplit(server)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            fault = proxy.next_fault(self.command, self.path)
            if fault == "slow":
                time.sleep(1)
            if fault in _ANSWERS:
                self.refuse(*_ANSWERS[fault])
                return
            if fault == "reset":
                self.reset()
                return
            status, headers, content = self.ask(body)
            if fault == "lost answer":
                self.reset()
                return
            if fault == "half list" and "list-type" in self.path:
                content = content[: len(content) // 2]
            self.answer(status, headers, content, half=fault == "half answer")
            if fault == "half answer":
                self.reset()

        def ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
            upstream = http.client.HTTPConnection(
                str(upstream_host.hostname), upstream_host.port, timeout=60
            )
            try:
                upstream.request(self.command, self.path, body, dict(self.headers))
                answer = upstream.getresponse()
                return answer.status, dict(answer.getheaders()), answer.read()
            finally:
                upstream.close()

        def answer(
            self, status: int, headers: dict[str, str], content: bytes, *, half: bool = False
        ) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in {"connection", "content-length", "transfer-encoding"}:
                    self.send_header(name, value)
            is_head = self.command == "HEAD"
            length = headers.get("Content-Length", "0") if is_head else str(len(content))
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(content[: len(content) // 2] if half else content)

        def refuse(self, status: int, code: str) -> None:
            error = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>"
            content = b"" if self.command == "HEAD" else error.encode()
            self.answer(status, {"Content-Type": "application/xml"}, content)

        def reset(self) -> None:
            proxy.interrupt()
            self.wfile.flush()
            self.close_connection = True
            linger = struct.pack("ii", 1, 0)  # the other side sees a reset, not an end
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Listener(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Clients are killed in the middle of things, which is the point."""

    listener = Listener(("127.0.0.1", 0), Handler)
    Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.server_port}", proxy
    finally:
        listener.shutdown()
        listener.server_close()
