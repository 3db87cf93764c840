"""One request to an API server that misbehaves below HTTP, or that is none."""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import trustme

from maintenance_ci.cluster import api, login, openshift
from maintenance_ci.cluster.kubeconfig import write_kubeconfig, write_login
from maintenance_ci.cluster.openshift import OpenShift
from maintenance_ci.errors import ForbiddenError, MaintenanceError, TryAgainError, VariableError
from tests.tools.misbehaving_server import Respond, head, serving


@contextlib.contextmanager
def asking(folder: Path, answer: bytes | Respond, *, timeout: float = 0.5) -> Iterator[OpenShift]:
    with serving(answer) as (port, _):
        config = write_kubeconfig(folder, url=f"http://127.0.0.1:{port}", token="sha256~t", namespace="web")
        with contextlib.closing(OpenShift(str(config), "web", timeout=timeout)) as client:
            yield client


def drip(begin: bytes, rest: bytes) -> Respond:
    """Begin an answer, and go on with it for ever."""

    def respond(peer: socket.socket) -> None:
        peer.sendall(begin)
        for _ in range(1200):  # a minute: who reads on to its end does not give up
            peer.sendall(rest)
            time.sleep(0.05)

    return respond


@pytest.mark.parametrize(
    "answer",
    [drip(b"HTTP/1.1 200 OK\r\nX: ", b"y"), drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n")],
    ids=["headers that drip", "100 Continue, for ever"],
)
def test_an_answer_that_never_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Respond) -> None:
    monkeypatch.setattr(api, "SLACK", 0.3)
    with asking(tmp_path, answer, timeout=0.3) as client, pytest.raises(TryAgainError, match="no end of its answer"):
        client.get("routes", "shop")


def test_a_redirect_is_no_answer_of_an_api(tmp_path: Path) -> None:
    """As of a console, or of a login; the token goes nowhere else."""
    with asking(tmp_path, head(302, Location="http://127.0.0.1:1/login", Content_Length="0")) as client:
        for ask in (lambda: client.get("routes", "shop"), lambda: client.select("routes")):
            with pytest.raises(TryAgainError, match="answers, but not as a Kubernetes API"):
                ask()


def test_a_path_that_nobody_knows_is_no_matter_of_the_object(tmp_path: Path) -> None:
    body = b"404 page not found"
    with (
        asking(tmp_path, head(404, Content_Type="text/plain", Content_Length=str(len(body))) + body) as client,
        pytest.raises(MaintenanceError, match="HTTP 404") as caught,
    ):
        client.get("routes", "shop")
    assert "Check OKD_URL" in caught.value.advice


PAIR = trustme.CA().issue_cert("client")
CERTIFICATE, KEY = PAIR.cert_chain_pems[0].bytes(), PAIR.private_key_pem.bytes()
OTHER_KEY = trustme.CA().issue_cert("client").private_key_pem.bytes()


@pytest.mark.parametrize(
    ("certificate", "key", "good"),
    [(CERTIFICATE, KEY, True), (CERTIFICATE, OTHER_KEY, False), (CERTIFICATE, b"", False), (b"text", KEY, False)],
)
def test_a_client_s_certificate_without_its_key(tmp_path: Path, certificate: bytes, key: bytes, good: bool) -> None:
    given = {"client-certificate-data": certificate, "client-key-data": key}
    user = {name: base64.b64encode(content).decode() for name, content in given.items() if content}
    config = write_login(tmp_path, {"server": "https://127.0.0.1:1"}, user, namespace="web")
    with contextlib.nullcontext() if good else pytest.raises(VariableError, match="client certificate and key cannot"):
        OpenShift(str(config), "web").close()


def test_a_program_that_waits_for_somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "LOGIN_TIMEOUT", 0.3)
    program = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sleep", "args": ["5"]}
    user = {"exec": {**program, "interactiveMode": "Never"}}
    config = write_login(tmp_path, {"server": "https://127.0.0.1:1"}, user, namespace="web")
    with pytest.raises(VariableError, match="its program did not log in within"):
        OpenShift(str(config), "web")


@pytest.mark.parametrize("status", [408, 429, 500, 520])
def test_a_server_or_a_proxy_that_cannot_answer_now(tmp_path: Path, status: int) -> None:
    answer = head(status, Retry_After="3600", Content_Length="0")
    with (
        asking(tmp_path, answer) as client,
        pytest.raises(TryAgainError, match=rf"cannot answer now \(HTTP {status}\)"),
    ):
        client.get("routes", "shop")


def answered(answer: object, status: int = 200) -> bytes:
    body = json.dumps(answer).encode()
    return head(status, Content_Type="application/json", Content_Length=str(len(body))) + body


SHOP = {"metadata": {"name": "shop"}}


@pytest.mark.parametrize(
    "broken",
    [
        {},
        {"metadata": None},
        {"metadata": []},
        {"metadata": {}},
        {"metadata": {"name": 7}},
        {"metadata": {"name": "shop", "annotations": ["a"]}},
        {"metadata": {"name": "shop", "labels": "a=b"}},
        SHOP | {"spec": "text"},
        SHOP | {"status": []},
    ],
    ids=str,
)
def test_an_answer_that_is_no_object_has_a_message_of_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: dict[str, object]
) -> None:
    """Alone, or in a list; a change that is answered like this may have been made."""
    monkeypatch.setattr(openshift, "PAUSES", ())
    with asking(tmp_path, answered({"kind": "Route", **broken})) as client:
        for ask in (
            lambda: client.get("routes", "shop"),
            lambda: client.create("routes", SHOP),
            lambda: client.apply("routes", SHOP),
        ):
            with pytest.raises(TryAgainError, match="not as a Kubernetes API"):
                ask()
    with asking(tmp_path, answered({"kind": "RouteList", "items": [broken]})) as client:
        with pytest.raises(TryAgainError, match="not as a Kubernetes API"):
            client.select("routes")
        with pytest.raises(TryAgainError, match="not as a Kubernetes API"):
            client.get("routes", "shop")


@pytest.mark.parametrize("items", [{"shop": SHOP}, "shop", 1, [None], ["shop"], [[]]], ids=str)
def test_items_that_are_no_list_of_objects(tmp_path: Path, items: object) -> None:
    with (
        asking(tmp_path, answered({"kind": "RouteList", "items": items})) as client,
        pytest.raises(TryAgainError, match="not as a Kubernetes API"),
    ):
        client.select("routes")


@pytest.mark.parametrize("items", [[], None])
def test_an_empty_list_is_a_list(tmp_path: Path, items: object) -> None:
    with asking(tmp_path, answered({"kind": "RouteList", "items": items})) as client:
        assert client.select("routes") == []


@pytest.mark.parametrize("details", [None, [], "name", 3, {"name": "shop"}], ids=str)
def test_a_404_whose_details_are_odd_is_one_line(tmp_path: Path, details: object) -> None:
    with asking(tmp_path, answered({"kind": "Status", "message": "no", "details": details}, 404)) as client:
        if isinstance(details, dict):
            assert client.get("routes", "shop") is None
            return
        with pytest.raises(MaintenanceError, match="HTTP 404"):
            client.get("routes", "shop")


@pytest.mark.parametrize("answer", [{"kind": "Status"}, {"kind": "Route", "metadata": {"name": "shop"}}])
def test_what_is_no_list_is_no_empty_one(tmp_path: Path, answer: dict[str, object]) -> None:
    """Of an empty list `delete` would conclude that nobody needs the page any more."""
    body = json.dumps(answer).encode()
    with asking(tmp_path, head(200, Content_Type="application/json", Content_Length=str(len(body))) + body) as client:
        for everywhere in (False, True):
            with pytest.raises(TryAgainError, match="not as a Kubernetes API"):
                client.select("routes", fields="spec.host=h", everywhere=everywhere)


def test_a_program_that_logs_in_and_waits_for_somebody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "LOGIN_TIMEOUT", 0.3)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sleep", "args": ["5"]}
    with pytest.raises(VariableError, match="KUBECONFIG"):
        OpenShift(kubeconfig(tmp_path, user={"exec": plugin | {"interactiveMode": "Never"}}), "web")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-c", "echo no session >&2; exit 3"], r"its program did not log in: .*process returned 3"),
        (["-c", "echo no JSON"], r"its program did not log in: .*failed to decode"),
        (["-c", "echo '{}'"], r"its program did not log in: "),
    ],
)
def test_a_program_that_does_not_log_in(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """The client itself would go on without a token, and say so on standard error, past the job's log."""
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "sh", "args": arguments}
    with pytest.raises(VariableError, match=f"^KUBECONFIG: {message}"):
        OpenShift(kubeconfig(tmp_path, user={"exec": plugin | {"interactiveMode": "Never"}}), "web")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("token", ["secret\n", "sec\nret", "secret\u20ac"])
def test_a_program_whose_token_is_none(tmp_path: Path, token: str) -> None:
    """No request can carry it: the client raised an error of its own, with the token in it, at the first one."""
    credential = {"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", "status": {"token": token}}
    plugin = {"apiVersion": credential["apiVersion"], "command": "echo", "args": [json.dumps(credential)]}
    with pytest.raises(VariableError, match=r"^KUBECONFIG: its program gave what is no token") as refused:
        OpenShift(kubeconfig(tmp_path, user={"exec": plugin | {"interactiveMode": "Never"}}), "web")
    assert "sec" not in str(refused.value)


def kubeconfig(folder: Path, *, user: dict[str, object] | None = None, **cluster: object) -> str:
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1", **cluster}}],
        "users": [{"name": "u", "user": user or {"token": "t"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (folder / "kubeconfig").write_text(json.dumps(config))
    return str(folder / "kubeconfig")


@pytest.mark.parametrize(
    "make",
    [
        lambda folder: kubeconfig(folder, server=42),
        lambda folder: kubeconfig(folder, **{"certificate-authority-data": "bm8gY2VydGlmaWNhdGU="}),
        lambda folder: write(folder, "{ no: yaml"),
        lambda folder: write(folder, "- a list"),
    ],
    ids=["a server that is a number", "a CA that is none", "no YAML", "a list"],
)
def test_a_kubeconfig_that_cannot_be_used(tmp_path: Path, make: Callable[[Path], str]) -> None:
    with pytest.raises(VariableError, match="KUBECONFIG"):
        OpenShift(make(tmp_path), "web")


def write(folder: Path, text: str) -> str:
    (folder / "kubeconfig").write_text(text)
    return str(folder / "kubeconfig")


DOWN = "error trying to reach service: dial tcp 10.128.0.7:8443: connect: connection refused"


@pytest.mark.parametrize(
    ("kind", "body", "shown"),
    [
        ("text/plain; charset=utf-8", DOWN, f"(HTTP 503): {DOWN}."),
        ("text/plain", f"{DOWN}\nand more\x1b[31m\n", f"(HTTP 503): {DOWN}."),
        ("text/plain", f"\x1b[31mred\x00 {'x' * 1000}", f"(HTTP 503): [31mred {'x' * 292}."),
        ("text/plain", "", "(HTTP 503): HTTP 503 for /apis/route.openshift.io/v1/namespaces/web/routes/shop."),
        ("text/html", "\n<!DOCTYPE html><html>busy</html>", "(HTTP 503): HTTP 503 for /apis/route.openshift.io/v1/"),
        ("application/json", '{"kind": "Status", "message": "etcd is away"}', "(HTTP 503): etcd is away."),
        ("application/json", '["no Status"]', "(HTTP 503): HTTP 503 for /apis/route.openshift.io/v1/"),
    ],
    ids=["of an aggregated API", "first line only", "long, with control characters", "empty", "HTML", "Status", "JSON"],
)
def test_what_a_refusal_says_of_itself(tmp_path: Path, kind: str, body: str, shown: str) -> None:
    """An aggregated API that is down, such as OpenShift's own, is answered for in plain text (recorded)."""
    content = body.encode()
    answer = head(503, Content_Type=kind, Content_Length=str(len(content))) + content
    with asking(tmp_path, answer) as client, pytest.raises(TryAgainError) as refused:
        client.get("routes", "shop")
    assert shown in refused.value.what
    assert "\n" not in refused.value.what


@pytest.mark.parametrize(
    ("message", "right_lacks"),
    [
        ('routes.route.openshift.io is forbidden: User "system:serviceaccount:web:ci" cannot list resource', True),
        ('forbidden: User "system:anonymous" cannot get path "/apis"', True),
        ("", True),
        (
            'routes.route.openshift.io "shop-maintenance-page" is forbidden: exceeded quota: objects, requested: …',
            False,
        ),
        ('builds.build.openshift.io "maintenance-page-1" is forbidden: build strategy Docker is not allowed', False),
        ('admission webhook "validate.example.test" denied the request: Routes need an owner.', False),
        (
            'secrets "x" is forbidden: unable to create new content in namespace web because it is being terminated',
            False,
        ),
    ],
)
def test_a_refusal_of_what_the_token_may_do_is_no_missing_right(
    tmp_path: Path, message: str, right_lacks: bool
) -> None:
    """A quota, a policy or a webhook refuses with 403 as well; no Role helps there."""
    content = json.dumps({"kind": "Status", "message": message}).encode()
    answer = head(403, Content_Type="application/json", Content_Length=str(len(content))) + content
    with asking(tmp_path, answer) as client, pytest.raises(ForbiddenError) as refused:
        client.create("routes", {"metadata": {"name": "shop"}})
    assert message.rstrip(".") in refused.value.what
    assert ("lacks a right" in refused.value.what) == ("Role" in refused.value.advice) == right_lacks
    assert ".." not in refused.value.what
