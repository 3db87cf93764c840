"""What the switches are played on: stages for a module's tests, the ways into maintenance, and what befalls a job."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from maintenance_ci.names import page_route_name
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.rehearsal.trouble import Trouble
from tests.matrices.harness import Matrix, require_as_before
from tests.matrices.stage import DERIVED, LIMITS, Stage, Variables, stage
from tests.tools.clusters import Job

WHOLE, CART, SNAPSHOT = page_route_name("shop", None), "/cart", "shop-maintenance-snapshot"
PART = page_route_name("shop", CART)
WAYS: dict[str, Variables] = {
    "swap": {"ROUTE_STRATEGY": "swap"},
    "repoint": {"ROUTE_STRATEGY": "repoint"},
    "path": {"SUBPATH": CART},
}
APPLY = "?fieldManager=maintenance-ci&force=true"
SOON: Variables = {"ADMISSION_TIMEOUT": "2"}
# What is shortened for faults, and is too short for a job that is to succeed on a machine that is busy.
HASTE = ("maintenance_ci.run.admission.SEEN_TIMEOUT", "maintenance_ci.templates.project.TIMEOUT")


@contextlib.contextmanager
def patient_stages(build: Callable[[], contextlib.AbstractContextManager[Stage]] = stage) -> Iterator[Matrix]:
    """A stage for the tests of a module, and another one after a test that failed; its jobs have their own patience."""
    it = Matrix("", build)
    with pytest.MonkeyPatch.context() as patch:
        for limit in HASTE:
            patch.delitem(LIMITS, limit, raising=False)  # already gone where a test has a stage of its own
        try:
            yield it
        finally:
            it.close()


@contextlib.contextmanager
def as_before(stages: Matrix) -> Iterator[Stage]:
    """Hold that all is as before after the body, and that no user was harmed."""
    on = stages.stage
    try:
        yield on
        on.relieve()
        require_as_before(on)
    except BaseException:
        stages.close()
        raise


def live(on: Stage, name: str = "shop") -> Object:
    found = on.cluster.find("routes", name)
    assert found is not None
    return found


def meanwhile(on: Stage, trouble: Trouble, act: Callable[[], object], job: str, variables: Variables) -> Job:
    """Run the job; when the trouble befalls it, ``act``."""

    def wait_and_act() -> None:
        deadline = time.monotonic() + 30
        while not on.cluster.inside.troubles.met:
            assert time.monotonic() < deadline, f"{trouble} never came"
            time.sleep(0.01)
        act()

    on.befall(trouble)
    with ThreadPoolExecutor(1) as pool:
        acted = pool.submit(wait_and_act)
        done = on.run(job, variables)
        acted.result(timeout=40)
    on.relieve()
    return done


def rolled_back(on: Stage, done: Job) -> None:
    """Hold that the job undid what it had begun, and says so."""
    assert done.code == 1, done.log
    assert any(line.startswith("── Roll back") for line in done.lines)
    assert "It was rolled back" in done.lines[-1]
    assert not any("oc extract" in line for line in done.lines)
    assert [line for line in on.differs() if line.partition("/")[0] not in DERIVED] == []
