"""KUBECONFIG, read as the real kubectl reads it, and what cannot be used."""

from __future__ import annotations

import base64
import json
import subprocess
import sysconfig
from pathlib import Path
from typing import Any

import pytest
import trustme

from maintenance_ci.cluster.given_kubeconfig import Login, read_login
from maintenance_ci.errors import VariableError
from maintenance_ci.settings.variables import JobSettings, read_settings

Object = dict[str, Any]
KUBECTL = Path(sysconfig.get_path("scripts")) / "kubectl"
CA = trustme.CA().cert_pem.bytes().decode()
PLUGIN = {"apiVersion": "client.authentication.k8s.io/v1", "interactiveMode": "Never"}


def config(**parts: Any) -> Object:
    """A kubeconfig; each part by name, as ``clusters={"c": {...}}``."""
    kinds = {"clusters": "cluster", "users": "user", "contexts": "context"}
    lists = {name: [{"name": key, kinds[name]: value} for key, value in parts.pop(name, {}).items()] for name in kinds}
    return {**lists, **{name.replace("_", "-"): value for name, value in parts.items()}}


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Three files, in folders of their own, that disagree."""
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "b/ca.pem").write_text(f"# Főtanúsítvány\n{CA}")
    (tmp_path / "b/token").write_text("token-of-b\n")
    for name in ("pair.pem", "pair.key"):
        (tmp_path / "b" / name).touch()
    first = config(
        clusters={"c": {"server": "https://a:1"}},
        users={"u": {"token": "token-of-a"}},
        contexts={"x": {"cluster": "c", "user": "u"}},
    )
    second = config(
        clusters={
            "c": {"server": "https://b:1", "tls-server-name": "b"},
            "d": {"server": "https://d:1", "certificate-authority": "ca.pem", "tls-server-name": "d.test"},
        },
        users={
            "u": {"username": "b", "password": "password-of-b"},
            "file": {"tokenFile": "token", "token": "older"},
            "pair": {"client-certificate": "pair.pem", "client-key": f"{tmp_path}/b/pair.key"},
            "login": {"exec": {**PLUGIN, "command": "./login", "env": [{"name": "A", "value": "own"}]}},
            "on-path": {"exec": {**PLUGIN, "command": "login"}},
        },
        contexts={
            "x": {"cluster": "d", "user": "file"},
            "group/project:agent": {"cluster": "d", "user": "file", "namespace": "b"},
            "pair": {"cluster": "d", "user": "pair"},
            "login": {"cluster": "d", "user": "login"},
            "on-path": {"cluster": "d", "user": "on-path"},
            "nobody": {"cluster": "d"},
        },
        current_context="group/project:agent",
    )
    (tmp_path / "a/config").write_text(json.dumps(first))
    (tmp_path / "b/config").write_text(json.dumps(second))
    (tmp_path / "c").write_text("current-context: x\n")
    (tmp_path / "empty").write_text("")
    return tmp_path


LISTS = ["a:b", "b:a", "a:c:b", "c:b:a", "nowhere:a:b", "a:b:nowhere", "::a::b:", "empty:b", "a:a:b"]


def paths(files: Path, given: str) -> str:
    place = {"a": "a/config", "b": "b/config", "c": "c", "empty": "empty", "nowhere": "nowhere/config", "": None}
    return ":".join(str(files / where) if (where := place[one]) else "" for one in given.split(":"))


@pytest.mark.parametrize("given", LISTS)
@pytest.mark.parametrize("context", ["", "x", "group/project:agent"])
def test_lists_are_read_as_kubectl_reads_them(files: Path, given: str, context: str) -> None:
    flags = ["--context", context] if context else []
    argv = [KUBECTL, "config", "view", "--raw", "--minify", "--flatten", "--output", "json", *flags]
    environment = {"KUBECONFIG": paths(files, given), "HOME": str(files)}
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        with pytest.raises(VariableError):
            read_login(paths(files, given), context, {})
        return
    theirs = json.loads(done.stdout)
    login = read_login(paths(files, given), context, {})
    cluster, user = theirs["clusters"][0]["cluster"], theirs["users"][0]["user"]
    assert {name: login.cluster.get(name) for name in ("server", "tls-server-name")} == {
        name: cluster.get(name) for name in ("server", "tls-server-name")
    }
    assert ("certificate-authority-data" in login.cluster) == ("certificate-authority-data" in cluster)
    # Of a token and a file of one kubectl takes the file, when it asks the server.
    token = (files / "b/token").read_text().strip() if "tokenFile" in user else user.get("token")
    assert (login.user.get("token"), login.user.get("password")) == (token, user.get("password"))


def read(files: Path, context: str, environment: dict[str, str] | None = None) -> Login:
    return read_login(paths(files, "b"), context, environment or {})


def test_paths_belong_to_the_folder_of_their_kubeconfig(files: Path) -> None:
    agent = read(files, "")
    data = base64.b64decode(agent.cluster["certificate-authority-data"]).decode()
    assert data.startswith("-----BEGIN CERTIFICATE-----"), "the comment is left out"
    assert "certificate-authority" not in agent.cluster
    assert agent.user == {"token": "token-of-b"}
    assert agent.secrets == ["token-of-b"]
    assert read(files, "pair").user == {
        "client-certificate": f"{files}/b/pair.pem",
        "client-key": f"{files}/b/pair.key",
    }
    assert read(files, "nobody").user == {}


def test_a_program_that_logs_in_has_the_job_s_environment(files: Path) -> None:
    program = read(files, "login", {"A": "the job's", "HTTPS_PROXY": "http://proxy:1"}).user["exec"]
    assert program["args"][-1] == f"{files}/b/login"
    assert {one["name"]: one["value"] for one in program["env"]} == {"A": "own", "HTTPS_PROXY": "http://proxy:1"}
    assert read(files, "on-path").user["exec"]["args"][-1] == "login"


def test_the_proxy_of_a_cluster(tmp_path: Path) -> None:
    login = login_of(tmp_path, {"proxy-url": "http://user:p%40ss@proxy:3128"})
    assert login.proxy is not None
    assert login.proxy.address == "http://proxy:3128"
    assert "user:p@ss" in login.secrets
    assert "proxy-url" not in login.cluster


def login_of(folder: Path, cluster: Object | None = None, user: Object | None = None, **more: Any) -> Login:
    content = config(
        clusters={"c": {"server": "https://c:1", **(cluster or {})}},
        users={"u": user or {"token": "t"}},
        contexts={"x": {"cluster": "c", "user": "u"}},
        current_context="x",
    )
    (folder / "config").write_text(json.dumps({**content, **more}))
    return read_login(str(folder / "config"), "", {})


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"cluster": {"server": ""}}, "server that is no https:// address"),
        ({"cluster": {"server": "c:6443"}}, "server that is no https:// address"),
        ({"cluster": {"server": "https://c:port"}}, "server that is no https:// address"),
        ({"cluster": {"server": "https://user:password@c:1"}}, "https:// address without user, query or fragment$"),
        ({"cluster": {"server": "https://@c:1"}}, "https:// address without user"),
        ({"cluster": {"server": "https://c:1/?token=secret"}}, "https:// address without user, query or fragment$"),
        ({"cluster": {"server": "https://c:1/#secret"}}, "https:// address without user, query or fragment$"),
        ({"cluster": {"server": "https://c:1/?"}}, "https:// address without user, query or fragment$"),
        ({"cluster": {"server": "https://c:1/#"}}, "https:// address without user, query or fragment$"),
        ({"cluster": {"server": "https://https://c:1"}}, "server that is no https:// address"),
        ({"cluster": {"server": "http://c:1"}}, "a server at http://, and a user: everybody on the way could read"),
        ({"user": {"tokenFile": "/dev/null"}}, "tokenFile that names something that is no plain file"),
        ({"user": {"tokenFile": "empty", "token": "t"}}, "a tokenFile that is empty"),
        ({"cluster": {"server": "https://a..b"}}, "server that is no https:// address"),
        ({"cluster": {"server": f"https://{'a' * 64}.test"}}, "server that is no https:// address"),
        ({"cluster": {"certificate-authority-data": "####"}}, "certificate-authority-data that is no base64"),
        ({"cluster": {"certificate-authority-data": "aGVsbG8="}}, "authority-data that holds no certificate"),
        (
            {"user": {"token": "t", "as": "admin", "as-groups": ["g"]}},
            "a user with as, as-groups, which not all clients",
        ),
        ({"user": {"auth-provider": {"name": "oidc"}}}, "a user with auth-provider, which not all clients"),
        ({"user": {"client-certificate": "nowhere"}}, "a client-certificate that names a file that is not there"),
        ({"user": {"client-certificate": "config", "client-key": "nowhere"}}, "a client-key that names a file"),
        ({"cluster": {"server": 42}}, "a server that is no text"),
        (
            {"cluster": {"certificate-authority": "nowhere"}},
            "certificate-authority that names a file that is not",
        ),
        ({"cluster": {"certificate-authority": "config"}}, "certificate-authority that holds no certificate"),
        ({"cluster": {"insecure-skip-tls-verify": "yes"}}, "neither true nor false"),
        ({"cluster": {"insecure-skip-tls-verify": True, "certificate-authority-data": "eA=="}}, "remove one of them"),
        ({"cluster": {"proxy-url": "socks5://proxy:1"}}, "proxy-url: must be the address of an http:// proxy"),
        ({"user": {"token": "two words"}}, "a token that is none"),
        ({"user": {"token": 42}}, "a token that is no text"),
        ({"user": {"tokenFile": "nowhere"}}, "tokenFile that names a file that is not there"),
        ({"user": {"exec": "login"}}, "a program to log in"),
        ({"user": {"exec": {"command": "x", "env": {"A": "b"}}}}, "env that are no list"),
        ({"user": {"exec": {"command": "x", "args": "-c"}}}, "args that are no list"),
        ({"user": {"exec": {"command": "x", "args": ["-n", 5]}}}, "a program to log in"),
        ({"users": []}, "no entry of users"),
        ({"clusters": []}, "no entry of clusters"),
        ({"clusters": {}}, "no entry of clusters"),
        ({"clusters": {"c": 1}}, "clusters that are no list"),
        ({"clusters": ["c"]}, "an entry of clusters that is none"),
        ({"contexts": [{"name": "x"}, {"name": "x"}]}, "two contexts of one name"),
        ({"contexts": [{"name": True}]}, "a name that is no text"),
    ],
)
def test_what_cannot_be_used(tmp_path: Path, parts: Object, message: str) -> None:
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(VariableError, match=message) as caught:
        login_of(tmp_path, **parts)
    assert [fault.split(":")[0] for fault in caught.value.faults] == ["KUBECONFIG"]


def test_a_server_s_scheme_is_in_lower_case(tmp_path: Path) -> None:
    """At any other one the Python client would look at no CA."""
    assert login_of(tmp_path, {"server": "Https://C:1/api"}).cluster["server"] == "https://C:1/api"


def test_without_a_user_a_server_may_be_at_http(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(
        json.dumps(
            config(clusters={"c": {"server": "http://c:1"}}, contexts={"x": {"cluster": "c"}}, current_context="x")
        )
    )
    assert read_login(str(tmp_path / "config"), "", {}).cluster["server"] == "http://c:1"


@pytest.mark.parametrize("how", ["utf-8", "latin-1", "utf-16"])
def test_a_cluster_s_certificates_are_taken_in_any_encoding(tmp_path: Path, how: str) -> None:
    given = base64.encodebytes(f"# für alle\n{CA}".encode(how)).decode()  # in lines, as `base64` prints it
    login = login_of(tmp_path, {"certificate-authority-data": given})
    assert base64.b64decode(login.cluster["certificate-authority-data"]).decode().startswith("-----BEGIN CERTIFICATE")


def test_fields_of_a_user_that_are_empty_do_no_harm(tmp_path: Path) -> None:
    assert login_of(tmp_path, user={"token": "t-oken", "as": "", "auth-provider": None}).secrets == ["t-oken"]
    assert login_of(tmp_path, user={"token": "t"}).secrets == []  # it would hide every t of a log


def test_null_is_an_absent_field(tmp_path: Path) -> None:
    """As tools write it that fill in all fields; the client itself takes it for a text, or a boolean."""
    cluster = dict.fromkeys(("certificate-authority-data", "insecure-skip-tls-verify", "tls-server-name", "proxy-url"))
    user = {"token": "t", **dict.fromkeys(("client-certificate-data", "client-key-data", "exec", "username"))}
    login = login_of(tmp_path, cluster, user)
    assert (login.cluster, login.user) == ({"server": "https://c:1"}, {"token": "t"})


@pytest.mark.parametrize("name", ["", None])
def test_an_entry_without_a_name_does_no_harm(tmp_path: Path, name: str | None) -> None:
    context = {"cluster": "c", "user": "u"}
    more = [{"name": "x", "context": context}, {"name": name, "context": context}]
    assert login_of(tmp_path, contexts=more).user == {"token": "t"}
    with pytest.raises(VariableError, match=r"^KUBE_CONTEXT: is missing, .* its contexts: x$"):
        login_of(tmp_path, contexts=more, **{"current-context": ""})


@pytest.mark.parametrize("text", ["{ no: yaml", "- a list", "text", "\x00"])
def test_what_is_no_kubeconfig(tmp_path: Path, text: str) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(VariableError, match=r"KUBECONFIG: is no kubeconfig: .*/config(, line 1, column \d+)?$"):
        read_login(str(tmp_path / "config"), "", {})


SCALARS = ["a", "2024-01-01", "12:30", "yes", "0777", "a\t", "'1'", "1", "null", "~", "y", "1e3", "a # comment"]


@pytest.mark.parametrize("before", ["", "\ufeff"])
@pytest.mark.parametrize("scalar", SCALARS)
def test_yaml_is_read_as_kubectl_reads_it(tmp_path: Path, before: str, scalar: str) -> None:
    names = ["a", "2024-01-01", "12:30", "1"]
    more = {"clusters": {"c": {"server": "https://c:1"}}, "contexts": {name: {"cluster": "c"} for name in names}}
    (tmp_path / "current").write_text(f"{before}current-context: {scalar}\n")
    (tmp_path / "rest").write_text(json.dumps(config(**more)))
    place = f"{tmp_path}/current:{tmp_path}/rest"
    argv = [KUBECTL, "config", "view", "--raw", "--minify"]
    done = subprocess.run(argv, env={"KUBECONFIG": place, "HOME": str(tmp_path)}, capture_output=True, check=False)
    try:
        read_login(place, "", {})
    except VariableError as error:
        assert done.returncode, error
    else:
        assert done.returncode == 0, done.stderr


def test_without_a_context_the_message_lists_them(files: Path) -> None:
    (files / "b/config").write_text((files / "b/config").read_text().replace('"current-context"', '"x"'))
    with pytest.raises(VariableError, match=r"KUBE_CONTEXT: is missing, .*: x, group/project:agent, pair"):
        read(files, "")
    (files / "c").write_text("current-context: old\n")
    with pytest.raises(VariableError, match=r"KUBECONFIG names a current context that it has not; its contexts: x, gr"):
        read_login(paths(files, "c:b"), "", {})
    with pytest.raises(VariableError, match=r"KUBE_CONTEXT: is no context of KUBECONFIG; its contexts: x, group/proj"):
        read(files, "group/project:other")
    with pytest.raises(VariableError, match=r"KUBE_CONTEXT: is missing, .*it has no context at all"):
        read_login(paths(files, "empty"), "", {})
    many = config(contexts={f"c{number}": {"cluster": "c"} for number in range(50)})
    (files / "many").write_text(json.dumps(many))
    with pytest.raises(VariableError, match=r"c0, .*, c19 and 30 more$"):
        read_login(str(files / "many"), "", {})


NEEDED = {"PROJECT": "web"}


def faults(**variables: str) -> list[str]:
    with pytest.raises(VariableError) as caught:
        read_settings(JobSettings, NEEDED | variables)
    return [fault.split(":")[0] for fault in caught.value.faults]


def test_which_of_them_counts(tmp_path: Path) -> None:
    okd = {"OKD_URL": "https://c:1", "OKD_TOKEN": "t"}
    settings = read_settings(JobSettings, NEEDED | okd | {"KUBECONFIG": "/nonexistent"})
    assert (settings.okd_url, settings.kubeconfig) == ("https://c:1", None)
    agent = {"KUBECONFIG": __file__, "KUBE_CONTEXT": "group/project:agent"}
    assert read_settings(JobSettings, NEEDED | okd | agent).kubeconfig is None
    assert read_settings(JobSettings, NEEDED | agent).kube_context == "group/project:agent"
    assert read_settings(JobSettings, NEEDED | {"KUBECONFIG": f"/nonexistent:{__file__}"}).kubeconfig
    assert faults(KUBECONFIG="/nonexistent:/neither") == ["KUBECONFIG"]
    assert faults(KUBECONFIG=str(tmp_path)) == ["KUBECONFIG"]
    assert faults(KUBECONFIG=":") == ["KUBECONFIG"]
    assert faults(KUBE_CONTEXT="x") == ["OKD_URL", "KUBE_CONTEXT"]
    assert faults(**okd, KUBE_CONTEXT="x") == ["KUBE_CONTEXT"]
    assert faults(KUBECONFIG="", KUBE_CONTEXT="x") == ["OKD_URL", "KUBE_CONTEXT"]


@pytest.mark.parametrize("around", ["{}", " {}", "{}\n", "\t{}\r\n"])
def test_what_comes_with_copying_is_no_part_of_an_address_or_a_path(around: str) -> None:
    okd = {"OKD_URL": around.format("https://c_1.example.test.:6443/k8s/"), "OKD_TOKEN": "t"}
    assert read_settings(JobSettings, NEEDED | okd).okd_url == "https://c_1.example.test.:6443/k8s"
    assert read_settings(JobSettings, NEEDED | {"KUBECONFIG": around.format(__file__)}).kubeconfig == __file__


@pytest.mark.parametrize("host", ["a..b", "a" * 64, "api%00.test", "bücher.test", "*", "a,b", "a b"])
def test_what_can_be_no_host_is_a_wrong_variable(host: str) -> None:
    """And no server that is away for now, which would be tried again."""
    assert faults(OKD_URL=f"https://{host}", OKD_TOKEN="t") == ["OKD_URL"]
