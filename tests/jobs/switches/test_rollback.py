"""A switch that does not come is undone; where that fails, too, the job tells commands that do it."""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from maintenance_ci.names import LEASE
from maintenance_ci.plan.describe import WHEN_BACK
from maintenance_ci.plan.strategies import rewriting_strategy
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.rights import User
from maintenance_ci.rehearsal.cluster import Options
from maintenance_ci.rehearsal.trouble import Trouble, parse_trouble
from tests.jobs.switches.by_hand import run_by_hand, told_by_hand
from tests.jobs.switches.pods import accept_new_pods, scale
from tests.jobs.switches.scene import (
    APPLY,
    CART,
    PART,
    SNAPSHOT,
    SOON,
    WAYS,
    as_before,
    meanwhile,
    patient_stages,
    rolled_back,
)
from tests.matrices.stage import SHOWN, Stage, Variables, changes, stage
from tests.tools.misbehaving_server import serving

# The request after which users meet the page.
SWITCH = {
    "swap": Trouble("delay", "2", method="DELETE", path="/routes/shop$", client="ours"),
    "repoint": Trouble("delay", "2", method="PATCH", path="/routes/shop$", client="ours"),
    "path": Trouble("delay", "2", method="PATCH", path=f"/routes/{PART}{APPLY}$", client="ours"),
}
# What a job believes of the router that reloads every other minute.
HOPEFUL: Variables = {"ADMISSION_TIMEOUT": "3", "ROUTER_RELOAD_INTERVAL": "0.3"}


@pytest.fixture
def sleepy() -> Iterator[Stage]:
    """A cluster whose router has just reloaded, and does so again in two minutes."""
    with patient_stages(lambda: stage(options=Options(reload_interval=120, busy=False))) as it, as_before(it) as on:
        yield on


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_page_that_dies_before_the_switch(on: Stage, way: str) -> None:
    done = meanwhile(on, SWITCH[way], lambda: scale(on, "maintenance-page", 0), "deploy-route", WAYS[way] | SOON)
    scale(on, "maintenance-page", 1)
    rolled_back(on, done)
    assert "Users do not meet the maintenance page: " in done.log
    assert "the router itself (503)" in done.log
    accept_new_pods(on)


@pytest.mark.slow
def test_an_application_that_was_down_before_is_no_failure_of_the_rollback(on: Stage) -> None:
    """It may be what the maintenance is for."""
    scale(on, "shop", 0)
    page_dies = meanwhile(
        on,
        SWITCH["repoint"],
        lambda: scale(on, "maintenance-page", 0),
        "deploy-route",
        WAYS["repoint"] | SOON | {"FORCE": "true"},
    )
    scale(on, "shop", 1)
    scale(on, "maintenance-page", 1)
    rolled_back(on, page_dies)
    accept_new_pods(on)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_router_that_does_not_follow(sleepy: Stage, way: str) -> None:
    reloads = len(sleepy.cluster.inside.router.reloads)
    done = sleepy.run("deploy-route", WAYS[way] | HOPEFUL)
    assert len(sleepy.cluster.inside.router.reloads) == reloads, "the router did reload: nothing was tried"
    rolled_back(sleepy, done)
    assert "the application (200)" in done.log


class Rights:
    """What the pipeline's token may do; taken away, and given back."""

    def __init__(self, on: Stage) -> None:
        self._token, users = on.cluster.inside.token, on.cluster.inside.server.users
        assert isinstance(users, dict)
        self._users, self._plain = users, users[self._token]

    def __enter__(self) -> Rights:
        return self

    def __exit__(self, *_: object) -> None:
        self.give_back()

    def take(self, *verbs: str) -> None:
        """Let these verbs be forbidden on Routes."""
        rules = [
            rule if "routes" not in rule["resources"] else {**rule, "verbs": sorted({*rule["verbs"]} - {*verbs})}
            for rule in self._plain.roles[manifests.NAMESPACE]
        ]
        self._users[self._token] = User(self._plain.name, roles={manifests.NAMESPACE: rules})

    def give_back(self) -> None:
        self._users[self._token] = self._plain


def switched(on: Stage, way: str) -> bool:
    original = on.cluster.find("routes", "shop")
    if way == "swap":
        return original is None
    return rewriting_strategy(original) if way == "repoint" else on.cluster.find("routes", PART) is not None


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_rollback_that_fails_is_told_as_commands_that_work(sleepy: Stage, way: str, tmp_path: Path) -> None:
    with Rights(sleepy) as rights:

        def take_when_switched() -> None:
            deadline = time.monotonic() + 30
            while not switched(sleepy, way):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            rights.take("create", "update", "patch", "delete")

        with ThreadPoolExecutor(1) as pool:
            taken = pool.submit(take_when_switched)
            done = sleepy.run("deploy-route", WAYS[way] | HOPEFUL)
            taken.result(timeout=40)
        assert done.code == 3, done.log
        assert "The rollback failed, too" in done.log
        assert sleepy.cluster.find("leases", LEASE) is None
        assert changes(sleepy.before, sleepy.picture()) != []
        rights.give_back()  # the commands are typed with the pipeline's own
        run_by_hand(sleepy, done, tmp_path)
        assert sleepy.differs() == []
    sleepy.ok("delete", WAYS[way] | HOPEFUL)


@pytest.mark.slow
@pytest.mark.parametrize("way", WAYS)
def test_a_delete_that_fails_is_told_as_commands_that_work(on: Stage, way: str, tmp_path: Path) -> None:
    on.ok("deploy-route", WAYS[way])
    # The last request before the one that is refused: the rights are asked for at the beginning.
    hold = {
        "swap": Trouble("delay", "0.5", method="GET", path="/routes/shop$", client="ours", first=2),
        "repoint": Trouble("delay", "0.5", method="GET", path="/routes/shop$", client="ours"),
        "path": Trouble("delay", "0.5", method="GET", path="/endpointslices", client="ours"),
    }
    with Rights(on) as rights:
        done = meanwhile(on, hold[way], lambda: rights.take("create", "patch", "delete"), "delete", WAYS[way])
        assert done.code == 1, done.log  # users meet the page, as before
        assert on.crowd.served_by(CART) == {SHOWN}
        rights.give_back()
        run_by_hand(on, done, tmp_path)
        assert on.differs() == []
    on.ok("delete", WAYS[way])


PAGE_LEFT = "# when no Route of the namespace shows the page: helm uninstall maintenance-page -n web"
FORGET = f"{WHEN_BACK} oc delete secret {SNAPSHOT} -n web --ignore-not-found"
# What is away from which moment on, what a person is then told to do, and what the job says is left.
LAST_STEPS = {
    "the snapshot stays": (f"ours DELETE /secrets/{SNAPSHOT}: 503 always", [FORGET, PAGE_LEFT], "the application. Run"),
    "the page stays": (
        "ours GET /routes?fieldSelector: 503 always",
        [PAGE_LEFT],
        "the application. Only the page may be left.",
    ),
}


@pytest.mark.parametrize(
    "case", [pytest.param(case, marks=pytest.mark.slow) if case == "the page stays" else case for case in LAST_STEPS]
)
def test_a_delete_that_fails_at_the_end_tells_what_is_left_at_that_moment(on: Stage, case: str, tmp_path: Path) -> None:
    trouble, told, said = LAST_STEPS[case]
    on.ok("deploy-route", WAYS["repoint"])
    on.befall(parse_trouble(trouble))
    done = on.run("delete", WAYS["repoint"] | SOON)
    on.relieve()
    assert done.code == 75, done.log
    assert said in done.lines[-1]
    assert told_by_hand(done)[0].splitlines() == told
    assert (on.cluster.find("secrets", SNAPSHOT) is None) == (told == [PAGE_LEFT])
    run_by_hand(on, done, tmp_path)
    assert on.differs() == []


def test_a_rollback_that_lacks_its_last_step_alone_tells_that_one(on: Stage, tmp_path: Path) -> None:
    on.befall(parse_trouble("ours PATCH /routes/shop$: 422"))
    on.befall(parse_trouble(f"ours DELETE /secrets/{SNAPSHOT}: 503 always"))
    done = on.run("deploy-route", WAYS["repoint"] | SOON)
    on.relieve()
    assert done.code == 3, done.log
    assert "It was rolled back. Only the snapshot is left" in done.lines[-1]
    assert told_by_hand(done)[0].splitlines() == [FORGET]
    run_by_hand(on, done, tmp_path)
    assert on.differs() == []


CACHED = b"HTTP/1.1 200 OK\r\nAge: 532\r\nX-Cache: HIT\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"
STRIPPED = CACHED.replace(b"Age: 532\r\nX-Cache: HIT", b"Via: 1.1 proxy")


@pytest.mark.parametrize(
    ("answer", "seen"),
    [(CACHED, "Age: 532, X-Cache: HIT"), (STRIPPED, "Via: 1.1 proxy")],
    ids=["a cache", "without our header"],
)
def test_a_cache_in_front_that_hides_the_page_is_told_with_what_helps(on: Stage, answer: bytes, seen: str) -> None:
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    on.cluster.inside._ca.issue_cert(manifests.HOST).configure_cert(tls)
    with serving(answer, tls=tls) as (port, _):
        where: Variables = {"PUBLIC_ADDRESS": f"https://127.0.0.1:{port}", "ADMISSION_TIMEOUT": "1"}
        done = on.run("deploy-route", WAYS["path"] | where)
    rolled_back(on, done)
    assert f"A cache or a proxy is in front of the router ({seen})" in done.lines[-1]
    assert "Purge its cache for this host; or let the router itself be asked (PUBLIC_ADDRESS)" in done.lines[-1]
    assert f"is answered by the application now (200; in front of it: {seen})" in done.log
