"""The channels, each against a real server: what arrives, what is told when nothing does."""

from __future__ import annotations

import json
import zlib
from typing import TYPE_CHECKING, Any

import boto3
import pytest

from ecom_platform.alerts.channels import Message, Series, open_channels
from ecom_platform.alerts.email import EmailChannel
from ecom_platform.alerts.pictures import HEIGHT, WIDTH, png, sparkline
from ecom_platform.alerts.slack import SlackChannel
from ecom_platform.alerts.sns import SnsChannel
from ecom_platform.errors import AlertError
from ecom_platform.settings import Settings
from ecom_platform_tests.alerts.mail import certificate, mail_server
from ecom_platform_tests.alerts.webhook import webhook

if TYPE_CHECKING:
    from pathlib import Path

SERIES = Series("total revenue, 8 weeks", (10.0, None, 20.0, -5.0), frozenset({3}))
MESSAGE = Message(
    "Error: metrics/total_revenue", "Where:       x < y & z", "ab12.7.1", "ab12.7", series=SERIES
)
FROM, TO = "shop@example.invalid", ("ann@example.invalid", "bob@example.invalid")


def client(service: str) -> Any:
    return boto3.client(service, region_name="us-east-1")  # pyright: ignore[reportCallIssue, reportArgumentType]


def subscribed(name: str) -> tuple[str, str]:
    """Make an SNS topic, and the SQS queue that its messages end in; FIFO by their name."""
    sns, sqs = client("sns"), client("sqs")
    fifo = name.endswith(".fifo")
    of_topic, of_queue = ({"FifoTopic": "true"}, {"FifoQueue": "true"}) if fifo else ({}, {})
    arn = sns.create_topic(Name=name, Attributes=of_topic)["TopicArn"]
    queue = sqs.create_queue(QueueName=name, Attributes=of_queue)["QueueUrl"]
    endpoint = f"arn:aws:sqs:us-east-1:123456789012:{name}"
    sns.subscribe(TopicArn=arn, Protocol="sqs", Endpoint=endpoint)
    return arn, queue


def received(queue: str) -> list[dict[str, Any]]:
    messages = client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
    return [json.loads(message["Body"]) for message in messages.get("Messages", [])]


# --------------------------------------------------------------------------- SNS


def test_sns_carries_subject_text_and_what_subscriptions_filter_by(bucket: str) -> None:
    arn, queue = subscribed(bucket)
    SnsChannel(arn).send(MESSAGE)
    [message] = received(queue)
    assert (message["Subject"], message["Message"]) == (MESSAGE.subject, MESSAGE.text)
    values = {name: one["Value"] for name, one in message["MessageAttributes"].items()}
    assert values == {"severity": "error", "alert": "ab12.7.1"}


def test_a_fifo_topic_drops_an_alert_that_is_sent_twice(bucket: str) -> None:
    arn, queue = subscribed(f"{bucket}.fifo")
    for _ in range(2):
        SnsChannel(arn).send(MESSAGE)
    assert len(received(queue)) == 1


def test_a_topic_that_does_not_exist_is_named(bucket: str) -> None:
    arn = f"arn:aws:sns:us-east-1:123456789012:no-{bucket}"
    with pytest.raises(AlertError, match=arn):
        SnsChannel(arn).check()


def test_a_subject_that_sns_would_refuse_is_made_plain(bucket: str) -> None:
    arn, queue = subscribed(bucket)
    SnsChannel(arn).send(Message("Umsätze " * 20, "text", "a.1.1", "a.1"))
    [message] = received(queue)
    assert message["Subject"].startswith("Ums?tze ")
    assert len(message["Subject"]) == 100


# --------------------------------------------------------------------------- Slack


def test_slack_shows_a_line_of_blocks_and_no_markup_of_others() -> None:
    with webhook() as (address, posted):
        SlackChannel(address).send(MESSAGE)
    assert posted == [
        {
            "text": "*Error: metrics/total_revenue*\n▅ █▁ total revenue, 8 weeks\n"
            "Where: x &lt; y &amp; z"
        }
    ]


def test_checking_a_slack_webhook_posts_nothing() -> None:
    with webhook() as (address, posted):
        SlackChannel(address).check()
    assert posted == []


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/services/secret", "no address"])
def test_an_unreachable_webhook_is_told_without_its_address(address: str) -> None:
    with pytest.raises(AlertError) as caught:
        SlackChannel(address).check()
    assert "ECOM_ALERT_SLACK_WEBHOOK" in str(caught.value)
    assert address not in str(caught.value)


# --------------------------------------------------------------------------- e-mail


def test_a_mail_has_text_page_picture_and_an_id_that_stays() -> None:
    with mail_server() as server:
        channel = EmailChannel(f"smtp://127.0.0.1:{server.port}", FROM, TO)
        channel.send(MESSAGE)
        channel.send(MESSAGE)
    first, second = server.received
    assert first["Subject"] == MESSAGE.subject
    assert first["To"] == ", ".join(TO)
    assert first["Message-ID"] == second["Message-ID"] == "<ab12.7.1@example.invalid>"
    assert first["References"] == "<ab12.7@example.invalid>"
    parts = {part.get_content_type(): part for part in first.walk()}
    assert parts["text/plain"].get_content().strip() == MESSAGE.text
    assert "x &lt; y &amp; z</pre>" in parts["text/html"].get_content()
    assert 'src="cid:picture"' in parts["text/html"].get_content()
    assert parts["image/png"]["Content-ID"] == "<picture>"
    assert parts["image/png"].get_content() == png(SERIES)


@pytest.mark.parametrize("scheme", ["smtp", "smtps"])
def test_mail_and_password_travel_encrypted(
    scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(files[0]))
    kind = {"smtp": "starttls", "smtps": "tls"}[scheme]
    with mail_server(login=("me@here", "hu:sh"), **{kind: files}) as server:  # pyright: ignore[reportArgumentType]
        address = f"{scheme}://me%40here:hu%3Ash@127.0.0.1:{server.port}"
        EmailChannel(address, FROM, TO).check()
        assert server.received == []
        EmailChannel(address, FROM, TO).send(MESSAGE)
    assert server.encrypted
    assert len(server.received) == 1


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path) -> None:
    with mail_server(starttls=certificate(tmp_path)) as server:
        channel = EmailChannel(f"smtp://127.0.0.1:{server.port}", FROM, TO)
        with pytest.raises(AlertError, match="certificate verify failed"):
            channel.send(MESSAGE)
    assert server.received == []


def test_another_machine_without_encryption_gets_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ecom_platform.alerts.email.LOCAL", ())  # this machine stands for another
    with mail_server() as server:
        channel = EmailChannel(f"smtp://127.0.0.1:{server.port}", FROM, TO)
        with pytest.raises(AlertError, match="STARTTLS"):
            channel.send(MESSAGE)
    assert server.received == []


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("smtp://me:wrong-secret@127.0.0.1:{port}", "it answers 535"),
        ("smtp://me:secret@127.0.0.1:{port}", "refuses recipient 2 of ECOM_ALERT_EMAIL_TO"),
        ("smtp://me:secret@127.0.0.1:9", "Connection refused"),
        ("http://me:secret@127.0.0.1", "its address is none"),
        ("smtp://me:secret@127.0.0.1:port", "its address is none"),
    ],
)
def test_a_mail_server_that_takes_nothing_is_told_without_addresses(
    address: str, words: str
) -> None:
    with mail_server(login=("me", "secret"), refuses=TO[1:]) as server:
        channel = EmailChannel(address.replace("{port}", str(server.port)), FROM, TO)
        with pytest.raises(AlertError, match=words) as caught:
            channel.check()
    assert "@example" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_mail_that_no_recipient_gets_is_not_delivered() -> None:
    with mail_server(refuses=TO) as server:
        channel = EmailChannel(f"smtp://127.0.0.1:{server.port}", FROM, TO)
        with pytest.raises(AlertError, match="refuses all recipients with 550") as caught:
            channel.send(MESSAGE)
    assert "@example" not in str(caught.value)


def test_a_mail_server_without_anybody_to_write_to_names_what_is_missing() -> None:
    settings = Settings(alert_email_smtp="smtp://localhost")  # pyright: ignore[reportArgumentType]
    with pytest.raises(AlertError, match="ECOM_ALERT_EMAIL_FROM"):
        open_channels(settings)


# --------------------------------------------------------------------------- pictures


def test_a_picture_has_a_bar_for_each_value_and_marks_some() -> None:
    picture = png(SERIES)
    assert picture.startswith(b"\x89PNG\r\n\x1a\n")
    begin = picture.index(b"IDAT") + 4
    pixels = zlib.decompress(picture[begin : picture.index(b"IEND") - 8])
    rows = [pixels[n * (WIDTH + 1) + 1 : (n + 1) * (WIDTH + 1)] for n in range(HEIGHT)]
    middles = [WIDTH * (2 * place + 1) // 8 for place in range(4)]
    tall = [sum(row[middle] in (1, 2) for row in rows) for middle in middles]
    assert tall == [39, 0, 77, 20]
    assert {row[middles[3]] for row in rows} == {0, 2}


def test_a_flat_and_an_empty_series_can_be_drawn() -> None:
    assert sparkline(Series("", (0.0, None, 0.0))) == "▁ ▁"
    assert png(Series("", ()))
