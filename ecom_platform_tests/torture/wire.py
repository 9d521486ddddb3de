"""A relay between a client and a database's server that can act before the n-th statement."""

from __future__ import annotations

import socket
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Lock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Connect = Callable[[], socket.socket]


@dataclass
class Wire:
    """What the relay does, and has seen.

    Args:
        port: Where it listens, on 127.0.0.1.
        connect: Connects to the server.
        at: Before which piece that a client sends to act: about one piece for each statement.
        act: What to do then, once; the piece waits for it.
    """

    port: int
    connect: Connect
    at: int = 0
    act: Callable[[], object] = lambda: None
    seen: int = 0
    failed: list[BaseException] = field(default_factory=list[BaseException])
    _lock: Lock = field(default_factory=Lock)

    def arm(self, at: int, act: Callable[[], object]) -> None:
        """Count anew, and act once."""
        self.seen, self.at, self.act = 0, at, act
        self.failed.clear()

    def relay(self, client: socket.socket) -> None:
        """Serve one client to its end."""
        with client, suppress(OSError), self.connect() as server:
            Thread(target=_pump, args=(server, client), daemon=True).start()
            while piece := client.recv(1 << 16):
                with self._lock:
                    self.seen += 1
                    if self.seen == self.at:
                        try:
                            self.act()
                        except Exception as error:  # noqa: BLE001  -- raised where it is waited for
                            self.failed.append(error)
                server.sendall(piece)
            server.shutdown(socket.SHUT_RDWR)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(1 << 16):
            target.sendall(piece)
        target.shutdown(socket.SHUT_RDWR)


@contextmanager
def open_wire(connect: Connect) -> Iterator[Wire]:
    """Run a relay."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        wire = Wire(listener.getsockname()[1], connect)

        def listen() -> None:
            with suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    Thread(target=wire.relay, args=(client,), daemon=True).start()

        Thread(target=listen, daemon=True).start()
        try:
            yield wire
        finally:
            listener.shutdown(socket.SHUT_RDWR)
