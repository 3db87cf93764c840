"""A cancelled job leaves nothing half done, whenever it is cancelled."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from maintenance_ci.cluster.openshift import PAUSES
from maintenance_ci.names import LEASE
from maintenance_ci.rehearsal.trouble import FOR_GOOD, Trouble
from tests.jobs.switches.scene import APPLY, PART, WAYS, WHOLE, rolled_back
from tests.matrices.cancelling import Moment, cancel
from tests.matrices.stage import SHOWN, Stage, changes
from tests.tools.clusters import Job


def ours(method: str, path: str, *, after: bool = True) -> Trouble:
    # What is held up before it takes effect never does: the job ends first, and with it its connection.
    return Trouble("delay", "1.5" if after else "60", method=method, path=path, client="ours", after=after)


# The first look finds nothing, and the original is made; by the second one it waits for the routers to judge it.
LOOK_AGAIN = Trouble("delay", "1.5", method="GET", path="/routes/shop$", client="ours", first=2)

CANCELLED: dict[str, tuple[str, str, Moment]] = {
    "before the first change": ("deploy-route", "swap", ours("GET", "/endpointslices")),
    "the snapshot is there": ("deploy-route", "swap", ours("POST", "/secrets$")),
    "the maintenance Route is there": ("deploy-route", "swap", ours("PATCH", f"/routes/{WHOLE}{APPLY}$")),
    "the original is to go": ("deploy-route", "swap", ours("DELETE", "/routes/shop$", after=False)),
    "the original is gone": ("deploy-route", "swap", ours("DELETE", "/routes/shop$")),
    "users are waited for, swap": ("deploy-route", "swap", "── Wait until users meet"),
    "to be repointed": ("deploy-route", "repoint", ours("PATCH", "/routes/shop$", after=False)),
    "repointed": ("deploy-route", "repoint", ours("PATCH", "/routes/shop$")),
    "users are waited for, repoint": ("deploy-route", "repoint", "── Wait until users meet"),
    "the path's Route is there": ("deploy-route", "path", ours("PATCH", f"/routes/{PART}{APPLY}$")),
    "users are waited for, path": ("deploy-route", "path", "── Wait until users meet"),
    "delete: before the first change": ("delete", "swap", ours("GET", "/endpointslices")),
    "delete: the original is back": ("delete", "swap", ours("PATCH", f"/routes/shop{APPLY}$")),
    "delete: the maintenance Route is to go": ("delete", "swap", ours("DELETE", f"/routes/{WHOLE}$", after=False)),
    "delete: the maintenance Route is gone": ("delete", "swap", ours("DELETE", f"/routes/{WHOLE}$")),
    "delete: the routers look at the original": ("delete", "swap", LOOK_AGAIN),
    "delete: users are waited for": ("delete", "swap", "── Wait until users meet"),
    "delete: pointed back": ("delete", "repoint", ours("PATCH", "/routes/shop$")),
    "delete: the snapshot is gone": ("delete", "repoint", ours("DELETE", "/secrets/shop-maintenance-snapshot$")),
    "delete: the path's Route is gone": ("delete", "path", ours("DELETE", f"/routes/{PART}$")),
}


# Nobody knows, or it is known, that users were sent to the application, and nothing brings them back.
USERS_MAY_BE_SWITCHED = (
    "delete: the maintenance Route is gone",
    "delete: users are waited for",
    "delete: pointed back",
    "delete: the path's Route is gone",
)
QUICK_MOMENT = "delete: the maintenance Route is gone"


@pytest.mark.parametrize(
    "when", [when if when == QUICK_MOMENT else pytest.param(when, marks=pytest.mark.slow) for when in CANCELLED]
)
def test_a_cancelled_job_leaves_nothing_half_done(on: Stage, when: str, tmp_path: Path) -> None:
    job, way, moment = CANCELLED[when]
    if job == "delete":
        on.ok("deploy-route", WAYS[way])
    before = on.picture()
    done = cancel(on, job, WAYS[way], moment, tmp_path)
    assert done.code in (1, 3), done.log
    assert "ERROR: The job was interrupted." in done.log or "ERROR: The job was stopped." in done.log
    assert on.cluster.find("leases", LEASE) is None
    assert list(tmp_path.iterdir()) == []
    if job == "deploy-route":
        assert on.differs() == [], done.log
        assert done.code == 1, done.log
    elif "before the first change" in when or "look at the original" in when:
        assert changes(before, on.picture()) == []
    else:
        assert "Run the job delete again." in done.log
    if when in USERS_MAY_BE_SWITCHED:
        assert done.code == 3, done.log
        assert "users still meet the page" not in done.lines[-1]
    on.ok("delete", WAYS[way])


@pytest.mark.slow
def test_a_change_that_is_tried_again_is_not_sent_any_more_when_the_job_is_cancelled(on: Stage, tmp_path: Path) -> None:
    """It would go on while it is undone: the original is taken away again, and the page must stay."""
    on.ok("deploy-route", WAYS["swap"])
    refused = Trouble("503", method="DELETE", path=f"/routes/{WHOLE}$", client="ours", times=FOR_GOOD)
    done = cancel(on, "delete", WAYS["swap"], refused, tmp_path)
    sent = sum(trouble == refused for trouble, _ in on.cluster.inside.troubles.met)
    assert sent <= len(PAUSES), done.log  # it would be sent once more in the time that a cancelled job waits
    assert "It was undone: users still meet the page." in done.lines[-1], done.log
    assert done.code == 1, done.log
    on.ok("delete", WAYS["swap"])


@pytest.mark.slow
def test_a_second_signal_does_not_cut_the_rollback_short(on: Stage, tmp_path: Path) -> None:
    hold = ours("GET", "/routes/shop$")  # the first question of the way back
    done = Job(code=-1)
    processes: list[int] = []

    async def run() -> int:
        work = asyncio.create_task(workplace.run("deploy-route", say=done.lines.append, started=processes.append))
        for title in ("── Wait until users meet", "── Roll back"):
            while not any(line.startswith(title) for line in done.lines):
                assert not work.done(), done.log
                await asyncio.wait([work], timeout=0.01)
            os.kill(processes[0], signal.SIGTERM)
        return await work

    on.befall(hold)
    workplace = on.cluster.workplace(WAYS["swap"] | {"TMPDIR": str(tmp_path)})
    done.code = on.cluster.do(run())
    rolled_back(on, done)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_job_that_is_cancelled_at_its_very_end_has_done_its_work(on: Stage, tmp_path: Path) -> None:
    """It releases the Lease: nothing is left that could be undone."""
    done = cancel(on, "deploy-route", WAYS["repoint"], ours("DELETE", "/leases/maintenance-ci$"), tmp_path)
    assert done.code == 0, done.log
    assert on.cluster.find("leases", LEASE) is None
    assert "now meet the maintenance page." in done.log
    on.ok("delete", WAYS["repoint"])


def test_a_terminal_that_goes_away_is_no_other_end(on: Stage, tmp_path: Path) -> None:
    done = cancel(on, "deploy-route", WAYS["repoint"], ours("PATCH", "/routes/shop$"), tmp_path, signal.SIGHUP)
    assert done.code == 1, done.log
    assert on.cluster.find("leases", LEASE) is None
    assert list(tmp_path.iterdir()) == []
    assert on.differs() == [], done.log


def test_a_log_that_nobody_reads_any_more_does_not_end_a_switch_half_way(on: Stage) -> None:
    """As `maintenance-ci deploy-route | head -1` ends it."""
    place = on.cluster.workplace(WAYS["repoint"] | {"REPORT_DIR": "."})
    with subprocess.Popen(
        [sys.executable, "-m", "maintenance_ci", "deploy-route"],
        cwd=place.folder, env=dict(place.environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None and process.stderr is not None
        assert process.stdout.readline()
        process.stdout.close()
        said = process.stderr.read()
        assert process.wait(60) == 0, said
    assert said == ""
    assert on.crowd.served_by() == {SHOWN}
    report = json.loads((place.folder / "maintenance-report.json").read_text())
    assert report["exit_code"] == 0
    on.ok("delete", WAYS["repoint"])
