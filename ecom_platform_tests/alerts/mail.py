"""A mail server of a test's own: SMTP over real sockets, with TLS and a login where wanted."""

from __future__ import annotations

import base64
import ssl
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from functools import partial
from ipaddress import ip_address
from socketserver import StreamRequestHandler, ThreadingTCPServer
from threading import Thread
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Generator
    from email.message import EmailMessage
    from pathlib import Path


@dataclass
class MailServer:
    """What it is asked to do, and what it got.

    Args:
        port: Of 127.0.0.1.
        starttls: Certificate and key, offered after a greeting in the clear.
        tls: Certificate and key, used from the first byte.
        login: User and password that it wants.
        refuses: Recipients that it does not know.
        encrypted: Whether mail came over TLS.
    """

    port: int = 0
    starttls: tuple[Path, Path] | None = None
    tls: tuple[Path, Path] | None = None
    login: tuple[str, str] | None = None
    refuses: tuple[str, ...] = ()
    encrypted: bool = False
    received: list[EmailMessage] = field(default_factory=list)


@contextmanager
def mail_server(
    *,
    starttls: tuple[Path, Path] | None = None,
    tls: tuple[Path, Path] | None = None,
    login: tuple[str, str] | None = None,
    refuses: tuple[str, ...] = (),
) -> Generator[MailServer]:
    """Run one: in the clear, with STARTTLS, or with TLS from the first byte.

    Args:
        starttls: Certificate and key.
        tls: Likewise.
        login: User and password that it wants.
        refuses: Recipients that it does not know.
    """
    server = MailServer(starttls=starttls, tls=tls, login=login, refuses=refuses)
    with ThreadingTCPServer(("127.0.0.1", 0), partial(_Handler, server)) as listener:
        server.port = listener.server_address[1]
        Thread(target=listener.serve_forever, args=(0.01,), daemon=True).start()
        yield server
        listener.shutdown()


class _Handler(StreamRequestHandler):
    """One conversation; a command `X` is answered by `do_X`, where there is one."""

    def __init__(self, mail: MailServer, *arguments: Any) -> None:
        self.mail = mail
        super().__init__(*arguments)

    def setup(self) -> None:
        if self.mail.tls:
            self.encrypt(self.mail.tls)
        super().setup()

    def finish(self) -> None:
        super().finish()
        self.request.close()  # where it is wrapped, it is not the one that the server closes

    def encrypt(self, files: tuple[Path, Path]) -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*files)
        self.request = context.wrap_socket(self.request, server_side=True)
        self.mail.encrypted = True

    def say(self, *lines: str) -> None:
        for place, line in enumerate(lines, 1):
            code, _, text = line.partition(" ")
            self.wfile.write(f"{code}{' ' if place == len(lines) else '-'}{text}\r\n".encode())

    def handle(self) -> None:
        self.say("220 test")
        while line := self.rfile.readline().decode().strip():
            command, _, rest = line.partition(" ")
            if command.upper() == "QUIT":
                self.say("221 bye")
                return
            getattr(self, f"do_{command.lower()}", lambda _: self.say("250 ok"))(rest)

    def do_ehlo(self, _: str) -> None:
        offers = ["250 STARTTLS"] if self.mail.starttls and not self.mail.encrypted else []
        logins = ["250 AUTH PLAIN"] if self.mail.login else []
        self.say("250 test", *offers, *logins, "250 HELP")

    def do_starttls(self, _: str) -> None:
        assert self.mail.starttls
        self.say("220 go")
        self.encrypt(self.mail.starttls)
        super().setup()

    def do_auth(self, rest: str) -> None:
        _, user, password = base64.b64decode(rest.split()[1]).decode().split("\0")
        self.say("235 ok" if (user, password) == self.mail.login else "535 no")

    def do_rcpt(self, rest: str) -> None:
        refused = any(one in rest for one in self.mail.refuses)
        self.say(f"550 unknown {rest}" if refused else "250 ok")

    def do_data(self, _: str) -> None:
        self.say("354 go")
        lines: list[bytes] = []
        while (line := self.rfile.readline()) != b".\r\n":
            lines.append(line.removeprefix(b"."))
        mail = message_from_bytes(b"".join(lines), policy=policy.default)
        self.mail.received.append(mail)
        self.say("250 taken")


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate of 127.0.0.1 and its key, as two files."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    names = x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(names, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "cert.pem", folder / "key.pem"
    files[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files
