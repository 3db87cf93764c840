"""Which proxy leads where: one table for all clients."""

from __future__ import annotations

import base64

import pytest

from maintenance_ci.errors import VariableError
from maintenance_ci.settings.proxies import Proxy, is_direct, parse_proxy, proxy_for, secrets_of

API = "https://api.example.test:6443"
PROXY = "http://proxy.example.test:3128"


@pytest.mark.parametrize(
    ("environment", "meant"),
    [
        ({}, None),
        ({"HTTPS_PROXY": PROXY}, PROXY),
        ({"https_proxy": PROXY}, PROXY),
        ({"HTTPS_PROXY": PROXY, "https_proxy": "http://other:1"}, PROXY),
        ({"HTTPS_PROXY": " ", "https_proxy": PROXY}, PROXY),
        ({"ALL_PROXY": PROXY}, PROXY),
        ({"all_proxy": PROXY}, PROXY),
        ({"ALL_PROXY": "socks5://other:1", "https_proxy": PROXY}, PROXY),
        ({"HTTP_PROXY": PROXY, "http_proxy": PROXY}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "example.test"}, None),
        ({"HTTPS_PROXY": PROXY, "no_proxy": "example.test"}, None),
        ({"HTTPS_PROXY": PROXY, "NO_PROXY": "other.test", "no_proxy": "example.test"}, PROXY),
        ({"HTTPS_PROXY": "socks5://other:1", "NO_PROXY": "*"}, None),
    ],
)
def test_which_variable_counts(environment: dict[str, str], meant: str | None) -> None:
    proxy = proxy_for(API, environment)
    assert (proxy.address if proxy else None) == meant


def test_plain_http_has_a_variable_of_its_own() -> None:
    proxy = proxy_for("http://api.example.test", {"HTTP_PROXY": PROXY, "HTTPS_PROXY": "http://other:1"})
    assert proxy == Proxy(PROXY)


@pytest.mark.parametrize(
    ("no_proxy", "url", "direct"),
    [
        ("", API, False),
        ("*", API, True),
        ("other.test, *", API, True),
        ("example.test", API, True),
        ("example.test", "https://example.test", True),
        (".example.test", API, True),
        (".example.test", "https://example.test", False),
        ("*.example.test", API, True),
        ("*.example.test", "https://example.test", False),
        ("*api.example.test", API, False),  # as Go: a star stands for whole labels, before a dot
        ("*test", API, False),
        ("ample.test", API, False),
        ("api.example.test", "https://myapi.example.test", False),
        ("API.Example.TEST", API, True),
        ("api.example.test", "https://API.EXAMPLE.test:6443", True),
        ("api.example.test.", API, True),
        ("api.example.test", "https://api.example.test.:6443", True),
        ("other.test ,  example.test", API, True),
        ("other.test example.test", API, True),
        (",,", API, False),
        ("api.example.test:6443", API, True),
        ("api.example.test:443", API, False),
        ("api.example.test:443", "https://api.example.test", True),
        ("api.example.test:80", "http://api.example.test", True),
        (".example.test:6443", API, True),
        ("10.0.0.5", "https://10.0.0.5:6443", True),
        ("10.0.0.5:6443", "https://10.0.0.5:6443", True),
        ("10.0.0.5:443", "https://10.0.0.5:6443", False),
        ("10.0.0.5", "https://10.0.0.50:6443", False),
        ("0.0.5", "https://10.0.0.5:6443", False),
        ("10.0.0.0/8", "https://10.1.2.3:6443", True),
        ("10.0.0.1/8", "https://10.1.2.3:6443", True),
        ("10.0.0.0/8", "https://11.1.2.3:6443", False),
        ("10.0.0.0/8", API, False),
        ("10.0.0.0/99", "https://10.1.2.3:6443", False),
        ("fd00::5", "https://[fd00::5]:6443", True),
        ("[fd00::5]", "https://[fd00::5]:6443", True),
        ("[fd00::5]:6443", "https://[fd00:0::5]:6443", True),
        ("[fd00::5]:443", "https://[fd00::5]:6443", False),
        ("fd00::/8", "https://[fd00::5]:6443", True),
        ("", "https://localhost:6443", True),
        ("", "https://127.0.0.9:6443", True),
        ("", "https://[::1]:6443", True),
        ("", "https://localhost.example.test:6443", False),
    ],
)
def test_what_is_asked_directly(no_proxy: str, url: str, direct: bool) -> None:
    assert is_direct(url, no_proxy) is direct


@pytest.mark.parametrize(
    ("given", "address", "login"),
    [
        ("http://proxy:3128", "http://proxy:3128", b""),
        ("HTTP://Proxy:3128/", "http://proxy:3128", b""),
        ("proxy:3128", "http://proxy:3128", b""),
        ("http://proxy", "http://proxy:80", b""),
        ("http://10.0.0.5:3128", "http://10.0.0.5:3128", b""),
        ("http://[fd00::5]:3128", "http://[fd00::5]:3128", b""),
        ("http://user:p%40ss@proxy:3128", "http://proxy:3128", b"user:p@ss"),
        ("http://user:p@ss@proxy:3128", "http://proxy:3128", b"user:p@ss"),
        ("user:pass@proxy:3128", "http://proxy:3128", b"user:pass"),
        ("http://DOM%5Cuser:a%3Ab%25@proxy:3128", "http://proxy:3128", b"DOM\\user:a:b%"),
        ("http://user@proxy:3128", "http://proxy:3128", b"user:"),
        ("http://user:%C3%A9t%C3%A9@proxy:3128", "http://proxy:3128", "user:été".encode()),
        ("http://user:+a&b=c@proxy:3128", "http://proxy:3128", b"user:+a&b=c"),
    ],
)
def test_proxies(given: str, address: str, login: bytes) -> None:
    proxy = parse_proxy(given, "HTTPS_PROXY")
    assert (proxy.address, proxy.userinfo) == (address, login)
    assert proxy.headers == ({"Proxy-Authorization": f"Basic {base64.b64encode(login).decode()}"} if login else {})
    again = parse_proxy(proxy.url, "KUBECONFIG")
    assert (again.address, again.userinfo) == (address, login), "what Helm and oc are given says the same"
    assert not login or login.decode() not in repr(proxy)


@pytest.mark.parametrize(
    "bad",
    [
        "https://proxy:3128", "socks5://proxy:1080", "socks5h://proxy:1080", "socks://proxy:1080", "SOCKS4a://proxy:1080",
        "ftp://proxy:21", "http://", "http:///", "http://:3128", "http://proxy:port", "http://proxy:0", "http://proxy:65536",
        "http://proxy:3128/path", "http://proxy:3128?x", "http://pro xy:3128", "http://user:p%4@proxy:3128", "http://[fd00::5:3128",
        "http://user:p#ss@proxy:3128", "http://user:p/ss@proxy:3128", "http://user:p ss@proxy:3128", "http://user:pé@proxy:3128",
        "http://proxy\n:3128",
    ],
)  # fmt: skip
def test_what_is_no_proxy(bad: str) -> None:
    with pytest.raises(VariableError, match=r"^HTTPS_PROXY: must be ") as caught:
        parse_proxy(bad, "HTTPS_PROXY")
    assert "ss@" not in str(caught.value)
    assert bad.partition("://")[2] in ("", "/") or bad not in str(caught.value)


def test_the_variable_that_is_wrong_is_named() -> None:
    with pytest.raises(VariableError, match=r"^all_proxy: must be the address of an http:// proxy; socks5://"):
        proxy_for(API, {"all_proxy": "socks5://proxy:1080"})


@pytest.mark.parametrize("variable", ["HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"])
@pytest.mark.parametrize("scheme", ["http://", "https://", "socks5://", ""])
def test_all_forms_of_a_password_are_secret(variable: str, scheme: str) -> None:
    secrets = secrets_of({variable: f"{scheme}user:p%40s%21@proxy:3128", "NO_PROXY": "*"})
    basic = base64.b64encode(b"user:p@s!").decode()
    assert {"user:p@s!", "p@s!", "user:p%40s%21", "p%40s%21", basic} <= set(secrets)


def test_what_is_no_secret() -> None:
    assert secrets_of({"HTTPS_PROXY": "http://proxy:3128", "ALL_PROXY": "", "NO_PROXY": "user:pass@x"}) == []
    assert "abc" not in secrets_of({"HTTPS_PROXY": "http://user:abc@proxy:3128"}), "it would mask half of a log"
    assert "user:abc" in secrets_of({"HTTPS_PROXY": "http://user:abc@proxy:3128"})
