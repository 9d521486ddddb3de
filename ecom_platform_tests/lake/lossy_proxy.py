"""A real HTTP proxy before the S3 server that loses requests or answers, as networks do."""

from __future__ import annotations

import http.client
import socket
from collections import Counter
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Generator

Loss = Literal["request", "answer", "busy"]


class LossyProxy:
    """Forwards requests, but for the first ones of a method.

    Args:
        server: Where to.
        method: Of which requests the first are lost.
        losses: What is lost, request by request: the request, so that the server never sees
            it, or its answer. A busy server answers 503.
    """

    def __init__(self, server: str, method: str, losses: list[Loss]) -> None:
        self.server = urlsplit(server)
        self.method = method
        self.losses = losses
        self.seen: Counter[str] = Counter()
        self.forwarded: Counter[str] = Counter()

    def next_loss(self, method: str) -> Loss | None:
        """Count a request; return what to lose of it."""
        self.seen[method] += 1
        return self.losses.pop(0) if method == self.method and self.losses else None


@contextmanager
def lossy_proxy(server: str, method: str, losses: list[Loss]) -> Generator[tuple[str, LossyProxy]]:
    """Run a proxy; yield its address and what it counts."""
    proxy = LossyProxy(server, method, losses)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            loss = proxy.next_loss(self.command)
            if loss == "busy":
                self.answer(503, {}, b"")
                return
            if loss != "request":
                upstream = http.client.HTTPConnection(
                    str(proxy.server.hostname), proxy.server.port, timeout=30
                )
                upstream.request(self.command, self.path, body, dict(self.headers))
                answer = upstream.getresponse()
                content = answer.read()
                upstream.close()
                proxy.forwarded[self.command] += 1
                if loss != "answer":
                    self.answer(answer.status, dict(answer.getheaders()), content)
                    return
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

        def answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response_only(status)
            for name, value in headers.items():
                if name.lower() not in {"connection", "content-length", "transfer-encoding"}:
                    self.send_header(name, value)
            is_head = self.command == "HEAD"
            length = headers.get("Content-Length", "0") if is_head else str(len(content))
            self.send_header("Content-Length", length)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_HEAD = do_PUT = do_POST = do_DELETE = forward  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    listener = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.server_port}", proxy
    finally:
        listener.shutdown()
        listener.server_close()
