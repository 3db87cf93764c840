"""The rehearsal itself: that it passes, that it can fail, and that it leaves nothing behind."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import IO

import pytest

from maintenance_ci.cli import main
from maintenance_ci.rehearsal.cluster import Options as ClusterOptions
from maintenance_ci.rehearsal.rehearse import Options, rehearse
from maintenance_ci.rehearsal.trouble import parse_trouble
from tests.tools.busy_machine import BUSY, slowdown
from tests.tools.clusters import in_session, start_alone

ROOT = Path(__file__).parents[2]
# Above the list of what was wrong.
FAILED = re.compile(r"^FAILED: .*$", re.MULTILINE)
STOPPING = "stopping; a job that is under way puts back first what it has begun"


def require_passed(options: Options, capfd: pytest.CaptureFixture[str]) -> str:
    """Hold that it passes, unless nothing is wrong but that the machine lets too few users in; return what it says."""
    code = rehearse(options)
    output = capfd.readouterr().out
    if code == 1 and not other_faults(output) and (factor := slowdown()) > BUSY:
        pytest.skip(f"machine too busy, {factor:.1f} times slower than an idle one:" + "".join(faults(output)))
    assert code == 0, output
    return output


def faults(output: str) -> list[str]:
    """What was wrong, as the rehearsal lists it."""
    listed = FAILED.split(output)[1:]
    return [line for part in listed for line in part.splitlines() if line.startswith("  ")]


def other_faults(output: str) -> list[str]:
    """What was wrong besides a machine that may have let too few users in."""
    return [line for line in faults(output) if "too busy to tell" not in line]


@pytest.mark.slow
def test_it_passes_for_the_whole_route(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "rehearsal.svg"
    options = Options(
        picture=picture,
        hold=1.5,
        cluster=ClusterOptions(reload_interval=0.5),
        variables={"ROUTER_RELOAD_INTERVAL": "0.5"},
    )
    output = require_passed(options, capfd)
    assert "passed: " in output
    for phase in ("application ", "maintenance ", "application again "):
        assert f"\n{phase}" in output
    assert "<svg" in picture.read_text()


@pytest.mark.slow
def test_it_passes_for_a_part_of_the_site(capfd: pytest.CaptureFixture[str]) -> None:
    options = Options(
        picture=None,
        subpath="/cart",
        hold=2.0,
        cluster=ClusterOptions(reload_interval=1.0),
        variables={"ROUTER_RELOAD_INTERVAL": "1"},
    )
    require_passed(options, capfd)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("waits", "probes", "code"),
    [
        ("0.1", "false", 1),
        ("0.1", "true", 0),  # the job sees that the router takes longer
        ("10", "false", 0),
    ],
)
def test_it_fails_where_the_page_is_removed_before_a_busy_router_has_reloaded(
    waits: str, probes: str, code: int, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Without the chart's own drain, the job's wait is all: taken out, users meet 503s; with it, none does."""
    chart = shutil.copytree(ROOT / "chart", tmp_path / "chart")
    values = chart / "values.yaml"
    values.write_text(values.read_text().replace("drainSeconds: 10", "drainSeconds: 0"))
    assert "drainSeconds: 0" in values.read_text()
    options = Options(
        picture=None,
        hold=1.0,
        chart=chart,
        cluster=ClusterOptions(reload_interval=10.0),
        variables={"ROUTER_RELOAD_INTERVAL": waits, "PROBES": probes},
    )
    if code == 0:
        output = require_passed(options, capfd)
    else:
        assert rehearse(options) == code
        output = capfd.readouterr().out
    assert ("got a 503 from router" in output) == (code == 1)


def test_a_job_that_fails_fails_the_rehearsal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    docker = tmp_path / "docker"
    docker.mkdir()
    (docker / "Dockerfile").write_text("FROM nginxinc/nginx-unprivileged:1.30\nCOPY missing.html /x\n")
    options = Options(picture=None, hold=0.5, docker=docker, cluster=ClusterOptions(reload_interval=0.5))
    assert rehearse(options) == 1
    assert "the job build-and-deploy ended with exit code 1" in capfd.readouterr().out


def test_trouble_comes_true_and_is_told(capfd: pytest.CaptureFixture[str]) -> None:
    options = Options(
        picture=None,
        hold=0.5,
        cluster=ClusterOptions(reload_interval=0.5, troubles=(parse_trouble("POST instantiatebinary: fail-build"),)),
    )
    assert rehearse(options) == 1
    output = capfd.readouterr().out
    assert "the rehearsal fails this build" in output
    assert "the trouble fail-build came to POST /apis/build.openshift.io/v1/namespaces/web/buildconfigs/" in output


def with_trouble(*lines: str, **variables: str) -> Options:
    return Options(
        picture=None,
        hold=1.0,
        variables={"ROUTER_RELOAD_INTERVAL": "1", **variables},
        cluster=ClusterOptions(reload_interval=1.0, troubles=tuple(map(parse_trouble, lines))),
    )


@pytest.mark.slow
def test_a_trouble_that_never_comes_true_fails_the_rehearsal(capfd: pytest.CaptureFixture[str]) -> None:
    """By repoint, which deletes no Route; else it passes."""
    lines = ("DELETE routes/shop$: 503", "GET routes: delay 0", "PATCH routes/shop$ #9: reset after")
    assert rehearse(with_trouble(*lines, ROUTE_STRATEGY="repoint")) == 1
    output = capfd.readouterr().out
    assert "by repoint: the original itself is sent to the page" in output
    assert other_faults(output) == [
        "  the trouble 'DELETE routes/shop$: 503' never came true (0 such requests were made)",
        "  the trouble 'PATCH routes/shop$ #9: reset after' never came true (2 such requests were made)",
        "  the trouble delay came to GET /apis/route.openshift.io/v1/namespaces/web/routes?limit=500",
    ]


@pytest.mark.parametrize(
    ("line", "job", "code", "sides"),
    [
        pytest.param("DELETE routes/shop$: 418", "deploy-route", "1", {"application"}, marks=pytest.mark.slow),
        pytest.param(
            "DELETE routes/shop$: kill after",
            "deploy-route",
            "-9",
            {"application", "maintenance-page:v1"},
            marks=pytest.mark.slow,
        ),
        pytest.param(
            "DELETE routes/shop-maintenance-page$: 418", "delete", "1", {"maintenance-page:v1"}, marks=pytest.mark.slow
        ),
    ],
)
def test_after_a_job_that_failed_users_are_watched_on(
    line: str, job: str, code: str, sides: set[str], capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing is wrong but the job: users are served well by the side that its exit code says, or by either."""
    assert rehearse(with_trouble(line)) == 1
    output = capfd.readouterr().out
    table, _ = FAILED.split(output)
    job_failed, trouble = other_faults(output)
    assert job_failed == f"  the job {job} ended with exit code {code}"
    assert trouble.startswith("  the trouble ")
    rows = table[table.index("\nphase ") :]
    last = rows[rows.index(f"\nafter {job} ") :]
    assert set(re.findall(r"(application|maintenance-page:v1) +\d", last)) <= sides
    phases = [found for found in re.findall(r"^(\S.*?)  ", rows, re.MULTILINE) if found != "(switching)"]
    assert phases == ["phase", "application", *(["maintenance"] if job == "delete" else []), f"after {job}"]


QUICK_ONE = """
import sys
from maintenance_ci.rehearsal.cluster import Options as ClusterOptions
from maintenance_ci.rehearsal.rehearse import Options, rehearse
sys.exit(rehearse(Options(picture=None, hold=0.5, keep=True, cluster=ClusterOptions(reload_interval=0.5))))
"""
# The wait for users takes as long as the router: there is time to interrupt it, on a busy machine, too.
SLOW_ROUTER = QUICK_ONE.replace("reload_interval=0.5", "reload_interval=5")


def read_until(running: subprocess.Popen[str], text: str) -> IO[str]:
    """Read what it prints until a line has ``text``, and return the rest of it."""
    assert running.stdout is not None
    for line in running.stdout:
        if text in line:
            break
    return running.stdout


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_it_is_stopped(sig: signal.Signals, tmp_path: Path) -> None:
    running = start_alone(["-c", QUICK_ONE], tmp_path)
    read_until(running, "job build-and-deploy")
    time.sleep(0.7)  # Helm, the build or the rollout is under way
    running.send_signal(sig)
    output, _ = running.communicate(timeout=120)
    assert running.returncode == 1
    assert "everything that was started is removed" in output
    assert "Traceback" not in output
    assert list(tmp_path.iterdir()) == []
    assert in_session(running.pid) == []


STALLS = """
import sys
from maintenance_ci.rehearsal.cluster import Options as ClusterOptions
from maintenance_ci.rehearsal.rehearse import Options, rehearse
variables = {"ROUTER_RELOAD_INTERVAL": "0.5"}
sys.exit(rehearse(Options(None, hold=3.0, variables=variables, cluster=ClusterOptions(reload_interval=0.5))))
"""


@pytest.mark.slow
def test_a_machine_that_stalls_for_a_moment_is_watched_for_longer(tmp_path: Path) -> None:
    running = start_alone(["-c", STALLS], tmp_path)
    log = read_until(running, "the application serves: ")
    time.sleep(0.5)
    running.send_signal(signal.SIGSTOP)
    time.sleep(2.5)
    running.send_signal(signal.SIGCONT)
    output = log.read()  # `communicate` would miss what was read ahead
    log.close()
    assert running.wait(120) == 0, output
    assert re.search(r"^application: \d+ of \d+ seconds have less than 50 requests$", output, re.MULTILINE)


def test_a_terminal_s_ctrl_c_reaches_the_rehearsal_alone(tmp_path: Path) -> None:
    """A terminal signals its whole foreground group: HAProxy, nginx and the jobs must not be in it."""
    running = start_alone(["-m", "maintenance_ci", "rehearse", "--picture", str(tmp_path / "p.png")], tmp_path)
    read_until(running, "the application serves")
    os.killpg(running.pid, signal.SIGINT)
    output, _ = running.communicate(timeout=120)
    assert output == f"{STOPPING}\nstopped; everything that was started is removed\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_rehearsal_that_is_stopped_shows_what_its_job_puts_back(tmp_path: Path) -> None:
    """Says so at once, and once only; another Ctrl-C does not cut it short."""
    running = start_alone(["-c", SLOW_ROUTER], tmp_path)
    log = read_until(running, "── Wait until users meet the page")
    running.send_signal(signal.SIGINT)
    shown: list[str] = []
    for line in log:
        shown.append(line.rstrip())
        if line.rstrip() == STOPPING:
            break
    assert not any("Roll back" in line for line in shown)
    running.send_signal(signal.SIGINT)
    output = log.read()  # `communicate` would miss what was read ahead
    log.close()
    running.wait(120)
    assert "── Roll back" in output
    assert "ERROR: The job was interrupted. It was rolled back: users reach the application" in output
    assert output.endswith("\nstopped; everything that was started is removed\n")
    assert STOPPING not in output
    assert running.returncode == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--docker", "/nowhere"], "There is no /nowhere/Dockerfile"),
        (["--chart", "docs"], "There is no docs/Chart.yaml"),
        (["--templates", "docs"], "There is no docs/maintenance-route.yaml.j2"),
        (["--picture", "/nowhere/x.png"], "--picture: /nowhere/x.png must be"),
        (["--picture", "x.gif"], "--picture: x.gif must be"),
        (["--picture", "x.gif", "--strategy", "repoint"], "--picture: x.gif must be"),
        (["--trouble", "boom"], "--trouble: this is no trouble: 'boom'"),
    ],
)
def test_what_cannot_be_rehearsed(arguments: list[str], says: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["rehearse", *arguments]) == 2
    printed = capfd.readouterr()
    assert says in printed.out.splitlines()[-1]
    assert printed.out.splitlines()[-1].startswith("ERROR: ")
    assert printed.err == ""


def test_a_wrong_variable_is_told_as_a_job_tells_it(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["rehearse", "--subpath", "../x"]) == 2
    printed = capfd.readouterr()
    assert "ERROR: SUBPATH: must be an absolute path" in printed.out
    assert printed.err == ""
