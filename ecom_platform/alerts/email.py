"""Alerts by e-mail, through an SMTP server."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import contextmanager
from email.message import EmailMessage
from email.utils import formatdate
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from ecom_platform.alerts.channels import TIMEOUT_SECONDS
from ecom_platform.alerts.pictures import png
from ecom_platform.errors import AlertError

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

    from ecom_platform.alerts.channels import Message

#: By scheme: encrypted after STARTTLS, or from the first byte.
PORTS = {"smtp": 587, "smtps": 465}
LOCAL = ("localhost", "127.0.0.1", "::1")


class EmailChannel:
    """An SMTP server, and who writes to whom.

    Args:
        server: `smtp://user:password@host:587`, which must offer STARTTLS unless it is this
            machine, or `smtps://…`.
        sender: Address.
        recipients: Addresses.
    """

    name = "email"

    def __init__(self, server: str, sender: str, recipients: Sequence[str]) -> None:
        self._server = server
        self._sender = sender
        self._recipients = list(recipients)

    def send(self, message: Message) -> None:
        with self._connect() as smtp:
            smtp.send_message(self._compose(message), self._sender, self._recipients)

    def check(self) -> None:
        with self._connect() as smtp:
            # As far as a message goes before there is one.
            answers = [smtp.mail(self._sender), *(smtp.rcpt(one) for one in self._recipients)]
            smtp.rset()
        for place, (code, _) in enumerate(answers):
            if code not in (250, 251):
                who = f"recipient {place} of ECOM_ALERT_EMAIL_TO" if place else "the sender"
                raise _error(f"it refuses {who} with {code}")

    def _compose(self, message: Message) -> EmailMessage:
        domain = self._sender.rpartition("@")[2].strip("<> ")
        mail = EmailMessage()
        mail["Subject"] = " ".join(message.subject.split())
        mail["From"] = self._sender
        mail["To"] = ", ".join(self._recipients)
        mail["Date"] = formatdate()
        # The same each time it is sent, so that most readers show it once; and one thread.
        mail["Message-ID"] = f"<{message.id}@{domain}>"
        mail["References"] = f"<{message.group}@{domain}>"
        mail["Auto-Submitted"] = "auto-generated"
        mail.set_content(message.text)
        page = f'<pre style="font: 13px/1.5 monospace">{escape(message.text)}</pre>'
        picture, title = message.picture, ""
        if message.series and not picture:
            picture, title = png(message.series), escape(message.series.title)
        if not picture:
            mail.add_alternative(page, subtype="html")
            return mail
        image = f'<p><img src="cid:picture" alt="{title}"><br><small>{title}</small></p>'
        mail.add_alternative(page + image, subtype="html")
        *_, html = mail.iter_parts()
        if isinstance(html, EmailMessage):
            html.add_related(picture, "image", "png", cid="<picture>")
        return mail

    @contextmanager
    def _connect(self) -> Generator[smtplib.SMTP]:
        try:
            address = urlsplit(self._server)
            host, port = address.hostname, address.port or PORTS.get(address.scheme)
        except ValueError:
            host = port = address = None
        if not address or not host or not port or address.scheme not in PORTS:
            raise _error("its address is none")
        trusted = ssl.create_default_context()
        try:
            with (
                smtplib.SMTP_SSL(host, port, timeout=TIMEOUT_SECONDS, context=trusted)
                if address.scheme == "smtps"
                else smtplib.SMTP(host, port, timeout=TIMEOUT_SECONDS)
            ) as smtp:
                smtp.ehlo_or_helo_if_needed()
                if address.scheme == "smtp" and (smtp.has_extn("starttls") or host not in LOCAL):
                    smtp.starttls(context=trusted)
                if address.username:
                    smtp.login(unquote(address.username), unquote(address.password or ""))
                yield smtp
        except smtplib.SMTPRecipientsRefused as error:
            codes = ", ".join(sorted({str(code) for code, _ in error.recipients.values()}))
            raise _error(f"it refuses all recipients with {codes}") from None
        except smtplib.SMTPResponseException as error:
            # Its words may repeat addresses.
            raise _error(f"it answers {error.smtp_code}") from None
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            raise _error(getattr(error, "strerror", None) or str(error)) from None


def _error(why: str) -> AlertError:
    return AlertError(
        f"The mail server does not take alerts: {why}.",
        hint="Check ECOM_ALERT_EMAIL_SMTP (smtp://user:password@host:587 or smtps://…), "
        "ECOM_ALERT_EMAIL_FROM, ECOM_ALERT_EMAIL_TO and the network.",
    )
