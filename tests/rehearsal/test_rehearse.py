"""The rehearsal itself: that it passes, that it can fail, and that it leaves nothing behind."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from maintenance_ci.rehearsal.cluster import Options as ClusterOptions
from maintenance_ci.rehearsal.rehearse import Options, rehearse

ROOT = Path(__file__).parent.parent.parent


def test_it_passes_for_the_whole_route(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    picture = tmp_path / "rehearsal.svg"
    options = Options(
        picture=picture,
        hold=2.0,
        cluster=ClusterOptions(reload_interval=1.0),
        variables={"ROUTER_RELOAD_INTERVAL": "1"},
    )
    assert rehearse(options) == 0, capfd.readouterr().out
    output = capfd.readouterr().out
    assert "passed: " in output
    for phase in ("application ", "maintenance ", "application again "):
        assert f"\n{phase}" in output
    assert "<svg" in picture.read_text()


def test_it_passes_for_a_part_of_the_site(capfd: pytest.CaptureFixture[str]) -> None:
    options = Options(
        picture=None,
        subpath="/cart/",
        hold=2.0,
        cluster=ClusterOptions(reload_interval=1.0),
        variables={"ROUTER_RELOAD_INTERVAL": "1"},
    )
    assert rehearse(options) == 0, capfd.readouterr().out


def test_it_fails_where_the_page_is_removed_before_a_busy_router_has_reloaded(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The waiting before the uninstall taken out, in the job and (drainSeconds) in the Pod: users meet 503s."""
    chart = shutil.copytree(ROOT / "chart", tmp_path / "chart")
    values = chart / "values.yaml"
    values.write_text(values.read_text().replace("drainSeconds: 10", "drainSeconds: 0"))
    assert "drainSeconds: 0" in values.read_text()
    options = Options(
        picture=None,
        hold=1.0,
        chart=chart,
        cluster=ClusterOptions(reload_interval=10.0),
        variables={"ROUTER_RELOAD_INTERVAL": "0.1"},
    )
    assert rehearse(options) == 1
    assert "got a 503 from router" in capfd.readouterr().out


def test_a_job_that_fails_fails_the_rehearsal(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    docker = tmp_path / "docker"
    docker.mkdir()
    (docker / "Dockerfile").write_text("FROM nginxinc/nginx-unprivileged:1.30\nCOPY missing.html /x\n")
    options = Options(picture=None, hold=0.5, docker=docker, cluster=ClusterOptions(reload_interval=0.5))
    assert rehearse(options) == 1
    assert "the job build-and-deploy ended with exit code 1" in capfd.readouterr().out


@pytest.mark.parametrize("sig", [signal.SIGINT, signal.SIGTERM])
def test_nothing_is_left_when_it_is_stopped(sig: signal.Signals, tmp_path: Path) -> None:
    running = subprocess.Popen(
        [sys.executable, "-m", "maintenance_ci", "rehearse", "--keep", "--picture", str(tmp_path / "p.png")],
        env=os.environ | {"TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert running.stdout is not None
    for line in running.stdout:
        if "job build-and-deploy" in line:
            break
    time.sleep(0.7)  # Helm, the build or the rollout is under way
    running.send_signal(sig)
    output, _ = running.communicate(timeout=30)
    assert running.returncode == 1
    assert "everything that was started is removed" in output
    assert "Traceback" not in output
    assert list(tmp_path.iterdir()) == []
    left = subprocess.run(["ps", "-o", "pid,args", "-s", str(running.pid)], capture_output=True, text=True, check=False)
    assert left.stdout.splitlines()[1:] == []


def test_a_wrong_variable_is_told_as_a_job_tells_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "maintenance_ci", "rehearse", "--subpath", "../x"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "ERROR: SUBPATH: must be an absolute path" in done.stdout
    assert done.stderr == ""
