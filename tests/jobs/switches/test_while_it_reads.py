"""What a job says that fails before its first change: it has read only a part of what it needs."""

from __future__ import annotations

import pytest

from maintenance_ci.rehearsal.trouble import FOR_GOOD, Trouble
from tests.jobs.switches.scene import SNAPSHOT, WAYS, WHOLE
from tests.matrices.stage import Stage

PUT_BACK = f"oc extract secret/{SNAPSHOT} "


def away(path: str, effect: str = "503") -> Trouble:
    return Trouble(effect, method="GET", path=path, client="ours", times=FOR_GOOD)


@pytest.mark.parametrize("path", [pytest.param(f"/secrets/{SNAPSHOT}", marks=pytest.mark.slow), "/endpointslices"])
def test_a_delete_that_cannot_read_on_tells_the_commands_for_a_person(on: Stage, path: str) -> None:
    on.ok("deploy-route", WAYS["swap"])
    on.befall(away(path))
    failed = on.run("delete", WAYS["swap"])
    on.relieve()
    assert failed.code == 75, failed.log
    assert PUT_BACK in failed.log
    assert f"oc delete route {WHOLE} " in failed.log
    assert f"oc delete secret {SNAPSHOT} " in failed.log
    assert "Nothing was changed: users still meet the page." in failed.lines[-1]
    on.ok("delete", WAYS["swap"])


def test_a_maintenance_is_not_confirmed_on_half_a_look(on: Stage) -> None:
    """Run again, `deploy-route` knows whether there is a snapshot, or says that it cannot read it."""
    on.ok("deploy-route", WAYS["repoint"])
    on.befall(away(f"/secrets/{SNAPSHOT}", "403"))
    refused = on.run("deploy-route", WAYS["repoint"])
    on.relieve()
    assert refused.code == 1, refused.log
    assert "there is no snapshot" not in refused.log
    on.ok("delete", WAYS["repoint"])
