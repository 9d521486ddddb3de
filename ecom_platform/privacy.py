"""Personal data: how an e-mail address becomes a keyed hash, and how text loses it.

The floor: addresses are in raw customers and nowhere else (see the privacy ADR).
"""

from __future__ import annotations

import hashlib
import os
import re
import secrets
from pathlib import Path

from ecom_platform.errors import SettingsError

# Neither Python nor RE2 has a class of all letters that the other has too, so these say which
# ASCII characters are none of a part; all others, as of jörg@müller.example, may be. The … is
# what `redact` leaves of credentials.
_PART = r"[^\x00-\x20!\"#$&()*,/:;<=>?@\[\\\]^`{|}~\x7f…]"
_LETTER = r"[^\x00-@\[-`{-\x7f]"

# As Unicode, addresses in links and HTML write them. Words such as `(at)` are no address: who
# wrote them did not mean machines to read one.
_AT = "(?:[@\uff20\ufe6b]|%40|&#0*64;|&#[xX]0*40;|&commat;)"
_DOT = "[.\uff0e\u3002\uff61]"

#: What an e-mail address looks like, for Python and for SQL (RE2) alike.
EMAIL_PATTERN = f"{_PART}+{_AT}{_PART}+{_DOT}{_LETTER}{{2,}}"
_EMAIL = re.compile(EMAIL_PATTERN)
#: A password may hold an @ or a slash that should have been escaped.
_CREDENTIALS = re.compile(r"(?<=://)([^\s/:@]*:\S*|[^\s/@]+)@")
_BLOCK = 64  # bytes of a SHA-256 block
_SHORTEST_KEY = 32


def redact(text: str) -> str:
    """Return a text without e-mail addresses and without credentials in addresses."""
    return _EMAIL.sub("[e-mail]", _CREDENTIALS.sub("…@", text))


def may_hold_email(value: str) -> str:
    """Return the SQL condition of texts to look for `EMAIL_PATTERN` in: it is fast to tell.

    Args:
        value: A text, in SQL.
    """
    signs = ("@", "\uff20", "\ufe6b", "%40", "&#", "&commat;")
    found = " OR ".join(f"contains({value}, '{sign}')" for sign in signs)
    return f"({found})"


def email_key_tables(key: bytes) -> dict[str, list[object]]:
    """Return the one-row table `settings.email_key` that the cleaning SQL reads.

    Columns: `inner_pad`, `outer_pad` (the key XOR-ed as RFC 2104 says), `key_id` (8 hex
    characters that tell keys apart and do not give the key away).
    """
    block = (hashlib.sha256(key).digest() if len(key) > _BLOCK else key).ljust(_BLOCK, b"\0")
    return {
        "inner_pad": [bytes(byte ^ 0x36 for byte in block)],
        "outer_pad": [bytes(byte ^ 0x5C for byte in block)],
        "key_id": [hashlib.sha256(b"key id of " + key).hexdigest()[:8]],
    }


def load_email_key(configured: str | None) -> bytes:
    """Return the key of the e-mail HMAC: the configured one, or one made once and kept.

    Raises:
        SettingsError: None is configured and there is no Dagster home to keep one in, or the
            kept one is damaged.
    """
    if configured:
        return configured.encode()
    home = os.environ.get("DAGSTER_HOME")
    if not home:
        raise SettingsError(
            "No key for the e-mail HMAC.",
            hint="Set ECOM_EMAIL_HMAC_KEY (at least 32 characters), or DAGSTER_HOME to a "
            "folder that keeps one.",
        )
    file = Path(home) / "email_hmac.key"
    if not file.exists():
        # Written aside and linked, so that of two first runs both use the same key.
        fresh = file.with_name(f".{secrets.token_hex(4)}.key")
        fresh.touch(mode=0o600)
        fresh.write_text(secrets.token_hex(32))
        try:
            file.hardlink_to(fresh)
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    key = file.read_text().strip().encode()
    if len(key) < _SHORTEST_KEY:
        raise SettingsError(
            f"{file} is damaged: it holds no whole key for the e-mail HMAC.",
            hint="Restore it from a backup. With another key, hashes of other days do not match.",
        )
    return key
