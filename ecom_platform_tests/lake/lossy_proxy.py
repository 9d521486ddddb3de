"""A real HTTP proxy before the S3 server: as bad as networks are, and as other stores."""

from __future__ import annotations

import http.client
import io
import socket
import struct
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Generator

Loss = Literal["request", "answer", "cut", "reset", "busy"]

_NOT_IMPLEMENTED = b"<Error><Code>NotImplemented</Code><Message>A header is not</Message></Error>"


class LossyProxy:
    """Forwards requests, but for the first ones of a method.

    Args:
        server: Where to.
        method: Of which requests the first are lost.
        losses: What is lost, request by request: the request, so that the server never sees
            it, its answer, or half of its answer; a reset loses the request, and the connection is
            reset. A busy server answers 503.
        ignores: Headers that do not reach the server, in lower case.
        refuses: Headers that this server does not implement, in lower case.
    """

    def __init__(
        self,
        server: str,
        method: str,
        losses: list[Loss],
        ignores: frozenset[str],
        refuses: frozenset[str],
    ) -> None:
        self.server = urlsplit(server)
        self.method = method
        self.losses = losses
        self.ignores = ignores
        self.refuses = refuses
        self.seen: Counter[str] = Counter()
        self.forwarded: Counter[str] = Counter()

    def next_loss(self, method: str) -> Loss | None:
        """Count a request; return what to lose of it."""
        self.seen[method] += 1
        return self.losses.pop(0) if method == self.method and self.losses else None


class _Listener(ThreadingHTTPServer):
    proxy: LossyProxy


class _Handler(BaseHTTPRequestHandler):
    server: _Listener
    protocol_version = "HTTP/1.1"

    def forward(self) -> None:
        proxy = self.server.proxy
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        loss = proxy.next_loss(self.command)
        headers = {name.lower(): value for name, value in self.headers.items()}
        if loss == "busy":
            self.answer(503, {}, b"")
            return
        if headers.keys() & proxy.refuses:
            self.answer(501, {}, _NOT_IMPLEMENTED)
            return
        if loss == "reset":
            self.reset()
            return
        if loss != "request":
            upstream = http.client.HTTPConnection(
                str(proxy.server.hostname), proxy.server.port, timeout=30
            )
            kept = {name: headers[name] for name in headers.keys() - proxy.ignores}
            upstream.request(self.command, self.path, body, kept)
            answer = upstream.getresponse()
            content = answer.read()
            upstream.close()
            proxy.forwarded[self.command] += 1
            if loss is None:
                self.answer(answer.status, dict(answer.getheaders()), content)
                return
            if loss == "cut":
                cut = content[: len(content) // 2]
                self.answer(answer.status, dict(answer.getheaders()), cut, len(content))
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def reset(self) -> None:
        self.close_connection = True
        linger = struct.pack("ii", 1, 0)
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        # What holds the socket open, too.
        self.rfile.close()
        self.connection.close()
        self.rfile = io.BytesIO()

    def answer(
        self, status: int, headers: dict[str, str], content: bytes, length: int | None = None
    ) -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            if name.lower() not in {"connection", "content-length", "transfer-encoding"}:
                self.send_header(name, value)
        of_head = headers.get("Content-Length") if self.command == "HEAD" else None
        self.send_header("Content-Length", of_head or str(length or len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward  # noqa: N815

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def lossy_proxy(
    server: str,
    method: str,
    losses: list[Loss],
    *,
    ignores: frozenset[str] = frozenset(),
    refuses: frozenset[str] = frozenset(),
) -> Generator[tuple[str, LossyProxy]]:
    """Run a proxy; yield its address and what it counts."""
    proxy = LossyProxy(server, method, losses, ignores, refuses)

    listener = _Listener(("127.0.0.1", 0), _Handler)
    listener.proxy = proxy
    Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.server_port}", proxy
    finally:
        listener.shutdown()
        listener.server_close()
