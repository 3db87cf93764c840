"""What a kubeconfig's program that logs in may do, and what of it reaches whoever reads a log."""

from __future__ import annotations

import contextlib
import json
import math
import os
import shlex
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from maintenance_ci.cluster import given_kubeconfig, login, login_program
from maintenance_ci.cluster.api import Api
from maintenance_ci.cluster.given_kubeconfig import read_login
from maintenance_ci.cluster.kubeconfig import write_login
from maintenance_ci.cluster.openshift import OpenShift
from maintenance_ci.errors import VariableError
from tests.cluster.test_command import ended

SECRET = "sha256~a-secret-that-no-log-may-show"
VERSION = "client.authentication.k8s.io/v1"
CREDENTIAL = json.dumps({"apiVersion": VERSION, "kind": "ExecCredential", "status": {"token": SECRET}})
KUBECTL = Path(sysconfig.get_path("scripts")) / "kubectl"


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def kubeconfig(folder: Path, script: str, variables: dict[str, str] | None = None) -> str:
    """Return the kubeconfig that clients get of one whose program is this script of a shell."""
    exec_ = {"apiVersion": VERSION, "command": "sh", "args": ["-c", script], "interactiveMode": "Never"}
    config = {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "u", "user": {"exec": exec_}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    (folder / "given").write_text(json.dumps(config))
    login = read_login(str(folder / "given"), "", {"PATH": os.environ["PATH"], **(variables or {})})
    return str(write_login(folder, login.cluster, login.user, namespace="web"))


def by_our_client(config: str) -> str:
    """Return why there is no login."""
    with pytest.raises(VariableError) as caught:
        OpenShift(config, "web")
    return caught.value.what


def by_kubectl(config: str) -> str:
    """Return all that kubectl prints, which logs in as Helm and oc do."""
    environment = {"KUBECONFIG": config, "HOME": str(Path(config).parent)}
    argv = [str(KUBECTL), "get", "--raw", "/version"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    return done.stdout + done.stderr


@pytest.mark.parametrize("client", [by_our_client, by_kubectl])
def test_one_that_hangs_is_stopped_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, client: Callable[[str], str]
) -> None:
    monkeypatch.setattr(given_kubeconfig, "LOGIN_TIMEOUT", 0.5)
    pid = tmp_path / "pid"
    message = client(kubeconfig(tmp_path, f"echo {SECRET} >&2; sleep 600 & echo $! > {shlex.quote(str(pid))}; wait"))
    assert "sh did not end within 0.5 s, and was stopped" in message
    assert SECRET not in message
    assert ended(int(pid.read_text()))


@pytest.mark.parametrize("client", [by_our_client, by_kubectl])
def test_what_it_writes_of_a_failure_is_not_shown(tmp_path: Path, client: Callable[[str], str]) -> None:
    message = client(kubeconfig(tmp_path, f"echo the token {SECRET} has expired >&2; exit 3"))
    assert "sh ended with exit code 3: run it by itself to see why" in message
    assert SECRET not in message


def test_a_credential_that_is_larger_than_a_pipe_is_read(tmp_path: Path) -> None:
    padding = f"yes {'x' * 99} | head -n 3000 | tr -d '\\n'"
    script = f"""printf '%s' '{CREDENTIAL[:-1]}, "more": "'; {padding}; printf '"}}'"""
    assert "127.0.0.1:1 was refused" in by_kubectl(kubeconfig(tmp_path, script)), "it logged in, and asked"


def test_nor_what_it_writes_while_it_logs_in(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    config = kubeconfig(tmp_path, f"echo the token {SECRET} is new >&2; echo {shlex.quote(CREDENTIAL)}")
    OpenShift(config, "web").close()
    message = by_kubectl(config)
    assert "127.0.0.1:1 was refused" in message, "it logged in, and asked"
    assert SECRET not in message
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("value", ["Fix \U0001f389 \\ud83c", "caf\u00e9 \x7f\u2028\x1b", os.fsdecode(b"M\xfcller")])
def test_a_variable_of_the_job_may_hold_anything(tmp_path: Path, value: str) -> None:
    """As CI_COMMIT_MESSAGE does. The program gets it, unless it is no text."""
    script = f'printf %s "$MESSAGE" > {shlex.quote(str(tmp_path))}/got; echo {shlex.quote(CREDENTIAL)}'
    config = kubeconfig(tmp_path, script, {"MESSAGE": value})
    got = "" if "\udcfc" in value else value
    OpenShift(config, "web").close()
    assert (tmp_path / "got").read_text() == got
    assert "127.0.0.1:1 was refused" in by_kubectl(config), "it logged in, and asked"
    assert (tmp_path / "got").read_text() == got


NEXT = "sha256~the-next-secret"


@pytest.mark.parametrize(
    ("second", "held"),
    [
        (f"echo {shlex.quote(CREDENTIAL.replace(SECRET, NEXT))}", NEXT),
        (f"printf %s {shlex.quote(CREDENTIAL.replace(SECRET, NEXT + chr(92) + 'nx'))}", SECRET),
        (f"echo {NEXT} >&2; exit 3", SECRET),
        ("sleep 600", SECRET),
    ],
    ids=["a new token", "no token", "a failure", "it hangs"],
)
def test_it_logs_in_again_while_the_job_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], second: str, held: str
) -> None:
    """No request waits for it, nothing of it is printed, and where it fails the first token counts on."""
    monkeypatch.setattr(login, "RENEW_EVERY", 0.0)
    monkeypatch.setattr(given_kubeconfig, "LOGIN_TIMEOUT", 1)
    again = tmp_path / "again"
    ending = json.loads(CREDENTIAL)
    ending["status"]["expirationTimestamp"] = "2026-01-01T00:00:00Z"
    script = f"if [ -e {again} ]; then {second}; else touch {again}; echo {shlex.quote(json.dumps(ending))}; fi"
    hidden: list[str] = []
    client = Api(kubeconfig(tmp_path, script), timeout=1, hide=hidden.append)
    with contextlib.closing(client):
        began = time.monotonic()
        client._login.keep()
        assert time.monotonic() - began < 0.5
        wait_until(lambda: client._login._renew_at < math.inf)
        assert client._client.configuration.api_key == {"BearerToken": f"Bearer {held}"}
    assert hidden == list(dict.fromkeys([SECRET, held]))
    assert capfd.readouterr() == ("", "")


def test_a_short_token_is_not_masked(tmp_path: Path) -> None:
    """It would hide every letter of its kind in the log."""
    hidden: list[str] = []
    Api(kubeconfig(tmp_path, f"echo {shlex.quote(CREDENTIAL.replace(SECRET, 't'))}"), hide=hidden.append).close()
    assert hidden == []


def test_what_other_loggers_say_is_printed_as_before(tmp_path: Path) -> None:
    script = f"""
import logging
from maintenance_ci.cluster.api import Api
api = Api({kubeconfig(tmp_path, f"echo {shlex.quote(CREDENTIAL)}")!r})
logging.getLogger("urllib3.util").error("an error")
logging.getLogger("gitlab").info("no news")
logging.error("exec: failed")
api.close()
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stderr == "an error\n"


def test_a_null_of_its_credential_is_an_absent_field(tmp_path: Path) -> None:
    nulls = {"expirationTimestamp": None, "clientCertificateData": None, "clientKeyData": None}
    credential = json.loads(CREDENTIAL)
    credential["status"] |= nulls
    config = kubeconfig(tmp_path, f"echo {shlex.quote(json.dumps(credential))}")
    OpenShift(config, "web").close()
    assert "127.0.0.1:1 was refused" in by_kubectl(config), "it logged in, and asked"


@pytest.mark.parametrize("printed", [b"", b"text", b"[]", b"7", b"{}", b'{"status": null}', b'{"status": []}', b"\xff"])
def test_what_is_no_credential_is_handed_on_as_it_is(printed: bytes) -> None:
    assert login_program.without_nulls(printed) == printed


def test_a_terminal_gets_what_it_writes(tmp_path: Path) -> None:
    """It may ask somebody to log in."""
    ours, theirs = os.openpty()
    argv = [sys.executable, "-I", "-S", login_program.__file__, "60", "sh", "-c", "echo open this address >&2"]
    try:
        subprocess.run(argv, cwd=tmp_path, stderr=theirs, check=True, timeout=60)
        assert os.read(ours, 1000).decode().strip() == "open this address"
    finally:
        os.close(ours)
        os.close(theirs)


def test_one_that_is_not_there(tmp_path: Path) -> None:
    argv = [sys.executable, "-I", "-S", login_program.__file__, "60", "no-such-program"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "no-such-program cannot be run: No such file or directory\n"


@pytest.mark.parametrize("end", ["cancelled", "its client is gone"])
def test_it_ends_with_whoever_asked(tmp_path: Path, end: str) -> None:
    pid = tmp_path / "pid"
    program = f"sleep 600 & echo $! > {shlex.quote(str(pid))}; wait"
    argv = [sys.executable, "-I", "-S", login_program.__file__, "60", "sh", "-c", program]
    client = f"import subprocess; subprocess.run({argv!r})"
    asked = subprocess.Popen(argv if end == "cancelled" else [sys.executable, "-c", client], stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while not (pid.exists() and pid.read_text().strip()):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        asked.send_signal(signal.SIGTERM if end == "cancelled" else signal.SIGKILL)
    finally:
        asked.wait(30)
    assert ended(int(pid.read_text()))
