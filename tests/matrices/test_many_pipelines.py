"""Ten pipelines at once in one namespace: each Route ends as asked, and the page goes when the last one leaves."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import pytest

from maintenance_ci.names import PAGE
from maintenance_ci.plan.page_route import backend_services
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.store import Event
from tests.matrices.harness import STRATEGIES, TOTALS, Totals
from tests.matrices.stage import SHOWN, Crowd, Variables, picture
from tests.tools.clusters import QUICK, Cluster, Job, running

Record = Callable[[str, object], None]


@dataclass(frozen=True)
class Pipeline:
    """One pipeline, with a Route of its own: every other one goes the other way."""

    number: int

    @property
    def route(self) -> str:
        return f"app-{self.number}"

    @property
    def host(self) -> str:
        return f"{self.route}.apps.example.test"

    @property
    def variables(self) -> Variables:
        url = f"https://gitlab.example.test/ops/maintenance/-/pipelines/{self.number}"
        strategy = STRATEGIES[self.number % 2]
        return {
            "ROUTE_NAME": self.route, "ROUTE_STRATEGY": strategy,
            "CI_PIPELINE_ID": str(self.number), "CI_PIPELINE_URL": url,
        }  # fmt: skip


@dataclass
class Witness:
    """Follows the store's events."""

    events: list[Event] = field(default_factory=list)

    async def follow(self, cluster: Cluster) -> None:
        async for event in cluster.store.watch("routes", "deployments"):
            self.events.append(event)

    def removals(self) -> list[set[str]]:
        """Return, for each removal of the page, the Routes that needed it at that moment."""
        found, routes = [], dict[str, bool]()
        for event in self.events:
            name = event.object["metadata"]["name"]
            if event.plural == "routes":
                routes[name] = event.type != "DELETED" and PAGE in backend_services(event.object)
            elif name == PAGE and event.type == "DELETED":
                found.append({route for route, needs in routes.items() if needs})
        return found


class Town:
    """Several applications' Routes on one cluster, each with users of its own."""

    def __init__(self, cluster: Cluster, pipelines: Sequence[Pipeline]) -> None:
        self.cluster, self.pipelines = cluster, pipelines
        files = cluster.inside.gitlab.projects[0].branches["main"]
        for one in pipelines:
            route = manifests.route(one.route, one.host, service=manifests.APPLICATION)
            files[f"{one.route}.yaml"] = manifests.template(route)
            cluster.call(cluster.store.create, "routes", route, manager="team")
        cluster.do(cluster.inside.router.next_reload())
        self.before = self.routes()
        self.crowds = {one: Crowd(cluster, one.host, "/", rate=6.0) for one in pipelines}

    def routes(self) -> dict[tuple[str, str], object]:
        found = self.cluster.call(self.cluster.store.list, "routes", manifests.NAMESPACE)
        return picture({("routes", route["metadata"]["name"]): route for route in found})

    def at_once(self, *jobs: tuple[Pipeline, Sequence[str]]) -> list[Job]:
        """Run each pipeline's jobs one after the other, all pipelines at once; each job must succeed."""

        async def pipeline(one: Pipeline, names: Sequence[str]) -> list[Job]:
            done = []
            for name in names:
                job = Job(-1)
                work = self.cluster.workplace(one.variables)
                job.code = await work.run(name, say=job.lines.append)
                done.append(job)
                if job.code:
                    break
            return done

        async def all_of_them() -> list[list[Job]]:
            return await asyncio.gather(*(pipeline(*one) for one in jobs))

        done = [job for each in self.cluster.do(all_of_them(), timeout=400) for job in each]
        for job in done:
            assert job.code == 0, job.log
            assert "Traceback" not in job.log
        return done

    def meets(self, one: Pipeline, whom: str) -> None:
        served = self.crowds[one].served_by(enough=3)
        assert served == {whom}, f"users of {one.host} meet {served}"


@contextlib.contextmanager
def town(number: int, record: Record) -> Iterator[tuple[Town, Witness, Totals]]:
    totals = Totals("pipelines at once", cases=number)
    with running(QUICK) as cluster:
        it, witness = Town(cluster, [Pipeline(n) for n in range(1, number + 1)]), Witness()

        async def begin() -> asyncio.Task[None]:
            return asyncio.create_task(witness.follow(cluster))

        task = cluster.do(begin())
        try:
            yield it, witness, totals
        finally:
            cluster.call(task.cancel)
            for crowd in it.crowds.values():
                crowd.leave()
                totals.requests += crowd.requests
                totals.failures += crowd.harmed()
            record(TOTALS, totals.plain())
    assert not totals.failures


def come_and_go(number: int, record: Record) -> None:
    """The first half goes in; but for the first one they leave while the others go in; then all that are left leave."""
    enter, leave = ("build-and-deploy", "deploy-route"), ("delete",)
    with town(number, record) as (it, witness, totals):
        half = number // 2
        early, late = it.pipelines[:half], it.pipelines[half:]
        first, others = early[0], early[1:]
        jobs = it.at_once(*((one, enter) for one in early))
        for one in early:
            it.meets(one, SHOWN)
        for one in late:
            it.meets(one, "application")

        jobs += it.at_once(*((one, leave) for one in others), *((one, enter) for one in late))
        for one in (first, *late):
            it.meets(one, SHOWN)
        for one in others:
            it.meets(one, "application")
        assert it.cluster.find("deployments", PAGE), "the page is gone, and Routes need it"
        assert witness.removals() == []

        jobs += it.at_once(*((one, leave) for one in (first, *late)))
        for one in it.pipelines:
            it.meets(one, "application")
        assert it.routes() == it.before
        assert witness.removals() == [set()], "the page was not removed once, when nobody needed it"
        left = {found["metadata"]["name"] for found in it.cluster.call(it.cluster.store.list, "leases")}
        assert left == set()
        totals.outcomes["jobs, exit 0"] = len(jobs)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_ten_pipelines_at_once(record_property: Record) -> None:
    come_and_go(10, record_property)


@pytest.mark.slow
def test_three_pipelines_at_once(record_property: Record) -> None:
    come_and_go(3, record_property)


def test_the_witness_sees_a_page_that_is_removed_too_early() -> None:
    with running(QUICK) as cluster:
        witness = Witness()

        async def look() -> None:
            task = asyncio.create_task(witness.follow(cluster))
            await asyncio.sleep(0)
            route = manifests.route("late", "late.apps.example.test", service=PAGE)
            cluster.store.create("routes", route, manager="team")
            deployment = next(found for plural, found in manifests.application(PAGE) if plural == "deployments")
            cluster.store.create("deployments", deployment, manager="team")
            cluster.store.delete("deployments", manifests.NAMESPACE, PAGE)
            await asyncio.sleep(0.1)
            task.cancel()

        cluster.do(look())
        assert witness.removals() == [{"late"}]
