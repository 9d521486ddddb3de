"""A small OpenID Connect provider with real keys, over real TLS."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import ssl
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CLIENT = "the-pages"
SITE = "https://numbers.example.com"
CODE = "a-code"


class Provider:
    """What it knows: its key, who asked for a code, and what it gives for it."""

    def __init__(self) -> None:
        self.key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.address = ""
        #: The challenge that came with the request for the code.
        self.challenge = ""
        self.token = ""
        self.keys_given = 0

    def sign(self, *, header: dict[str, Any] | None = None, key: Any = None, **claims: Any) -> str:
        """Make an ID token; header and claims differ from a good one's as given."""
        head = {"alg": "RS256", "kid": "one"} | (header or {})
        body = {
            "iss": self.address, "aud": CLIENT, "token_use": "id", "exp": time.time() + 600,
            "sub": "somebody",
        } | claims  # fmt: skip
        text = f"{_encode(json.dumps(head).encode())}.{_encode(json.dumps(body).encode())}"
        signature = (key or self.key).sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{_encode(signature)}"

    def jwks(self) -> dict[str, Any]:
        """Its public key."""
        self.keys_given += 1
        numbers = self.key.public_key().public_numbers()
        return {
            "keys": [
                {
                    "kid": "one", "kty": "RSA", "alg": "RS256", "use": "sig",
                    "n": _encode(numbers.n.to_bytes(256, "big")),
                    "e": _encode(numbers.e.to_bytes(3, "big")),
                }
            ]
        }  # fmt: skip

    def exchange(self, form: dict[str, list[str]]) -> dict[str, str] | None:
        """Give the token for a code, to who asked for the code."""
        digest = hashlib.sha256(form["code_verifier"][0].encode()).digest()
        right = {
            "grant_type": ["authorization_code"],
            "client_id": [CLIENT],
            "code": [CODE],
            "redirect_uri": [f"{SITE}/callback"],
        }
        if _encode(digest) != self.challenge or not right.items() <= form.items():
            return None
        return {"id_token": self.token}


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@contextmanager
def identity_provider(folder: Path) -> Iterator[tuple[Provider, Path]]:
    """Serve one; yield it, and the certificate that its visitors must trust."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(provider.jwks() if self.path == "/.well-known/jwks.json" else None)

        def do_POST(self) -> None:
            form = parse_qs(self.rfile.read(int(self.headers["content-length"])).decode())
            self._answer(provider.exchange(form) if self.path == "/oauth2/token" else None)

        def _answer(self, found: object) -> None:
            body = json.dumps(found).encode()
            self.send_response(400 if found is None else 200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    certificate = _certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        provider.address = f"https://127.0.0.1:{server.server_port}"
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield provider, certificate
        server.shutdown()
        thread.join()


def _certificate(folder: Path) -> Path:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "provider.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + certificate.public_bytes(serialization.Encoding.PEM)
    )
    return file
