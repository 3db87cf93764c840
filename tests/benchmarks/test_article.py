"""The article's jobs do on the embedded OpenShift what the article says, and what they and ours take is counted."""

from __future__ import annotations

import asyncio
import subprocess
from pathlib import Path

import aiohttp
import pytest

from benchmarks.article import sides
from benchmarks.article.figures import Cost, Measured, cost_of_pipelines, median_cost, total
from benchmarks.article.sides import Article, JobRun, Ours, count_polls, waited_in
from benchmarks.article.targets import judge_targets
from benchmarks.processes import CommandFailedError, run
from benchmarks.stage import HostAnswers, Seen, Stage, StampedRequests, host_of, judge
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.server import Request
from maintenance_ci.rehearsal.cluster import Options
from maintenance_ci.rehearsal.users import Answer

QUICK = Options(reload_interval=0.3, busy=False)
PAGE, OUR_PAGE = "We&rsquo;ll be back soon!", "this service is unavailable"
ROUTES = "/apis/route.openshift.io/v1/namespaces/web/routes"
LEASE = "/apis/coordination.k8s.io/v1/namespaces/web/leases/maintenance-ci"


async def shown(stage: Stage, name: str, path: str = "/") -> str:
    """What a user of the Route gets, once the router has followed."""
    await stage.settled()
    url = f"https://127.0.0.1:{stage.cluster.router.https_port}{path}"
    async with (
        aiohttp.ClientSession(headers={"Host": host_of(name)}) as session,
        session.get(url, ssl=stage.cluster.client_tls(), server_hostname=host_of(name)) as answer,
    ):
        return await answer.text()


def routes(stage: Stage) -> set[str]:
    return {one["metadata"]["name"] for one in stage.cluster.store.list("routes", manifests.NAMESPACE)}


def releases(stage: Stage) -> int:
    return len(stage.cluster.store.list("deployments", manifests.NAMESPACE)) - 1  # but for the application's


@pytest.mark.slow
def test_the_article_s_jobs_do_what_it_says() -> None:
    async def story() -> None:
        async with Stage(2, QUICK) as stage:
            article, first, second = Article(stage), "app-001", "app-002"
            assert PAGE not in await shown(stage, first)
            assert (await article.run("build-and-deploy", first, BUILD_MAINTENANCE_PAGE="true")).requests > 30
            assert releases(stage) == 1
            await article.run("deploy-route", first)
            assert PAGE in await shown(stage, first)
            await article.run("build-and-deploy", second)  # deploys the page again, and does not build it
            await article.run("deploy-route", second)
            assert PAGE in await shown(stage, second)
            assert routes(stage) == {"shop", f"{first}-maintenance-page", f"{second}-maintenance-page"}
            await article.run("delete", first)
            assert PAGE not in await shown(stage, first)
            assert PAGE in await shown(stage, second)
            assert releases(stage) == 1
            await article.run("delete", second)
            assert PAGE not in await shown(stage, second)
            assert routes(stage) == {"shop", first, second}
            assert releases(stage) == 0

    asyncio.run(story())


@pytest.mark.slow
def test_the_article_s_jobs_know_a_part_of_a_site() -> None:
    async def story() -> None:
        async with Stage(1, QUICK) as stage:
            article, name, path = Article(stage), "app-001", {"SUBPATH": "/pay"}
            await article.run("build-and-deploy", name, BUILD_MAINTENANCE_PAGE="true")
            await article.run("deploy-route", name, **path)
            assert PAGE in await shown(stage, name, "/pay/now")
            assert PAGE not in await shown(stage, name)
            await article.run("delete", name, **path)
            assert PAGE not in await shown(stage, name, "/pay/now")
            assert routes(stage) == {"shop", name}

    asyncio.run(story())


def test_a_job_that_fails_is_told() -> None:
    async def story() -> None:
        async with Stage(1, QUICK) as stage:
            with pytest.raises(CommandFailedError, match="not found"):
                await Article(stage).run("delete", "app-001")
            with pytest.raises(CommandFailedError, match="ROUTE_NAME"):
                await Ours(stage).run("deploy-route", ["No_Route"])

    asyncio.run(story())


@pytest.mark.parametrize("text", ["a $NAME b ${NAME}-x", "${ABSENT}|$", 'host: "${NAME}"\n  ${ABSENT}\n'])
def test_the_stand_in_fills_in_as_envsubst_does(text: str) -> None:
    tool = Path(sides.__file__).parent / "tools/envsubst"
    environment = {"NAME": "shop", "PATH": "/usr/local/bin:/usr/bin:/bin"}
    done = subprocess.run([str(tool)], input=text, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == text.replace("${NAME}", "shop").replace("$NAME", "shop").replace("${ABSENT}", "")


def test_what_a_command_takes_is_its_own(tmp_path: Path) -> None:
    """Also its memory: this process is bigger than the small command."""
    own = bytearray(300_000_000)

    async def took(code: str) -> int:
        return (await run(["python3", "-I", "-S", "-c", code], folder=tmp_path, environment={"PATH": PATH})).memory

    small, big = asyncio.run(took("pass")), asyncio.run(took("x = b'x' * 200_000_000"))
    assert small < 100_000_000 < 200_000_000 < big < len(own)


PATH = "/usr/local/bin:/usr/bin:/bin"


def request(method: str, path: str, *, watch: bool = False) -> Request:
    return Request(method, path, "", "", 200, watch=watch)


class Clock:
    """Stamps the requests of a job with whole seconds."""

    def __init__(self, *requests: Request) -> None:
        self.requests = StampedRequests()
        for second, one in enumerate(requests):
            list.append(self.requests, one)
            self.requests.times.append(float(second))


SWITCH = (
    request("POST", f"{LEASE}"),
    request("GET", ROUTES),
    request("PATCH", f"{ROUTES}/shop-maintenance-page"),
    request("DELETE", f"{ROUTES}/shop"),
    request("GET", f"{ROUTES}/shop-maintenance-page"),
    request("PUT", LEASE),
    request("GET", f"{ROUTES}/shop-maintenance-page"),
    request("DELETE", LEASE),
)


def test_the_wait_is_from_the_last_change_until_the_job_goes_on() -> None:
    assert waited_in(Clock(*SWITCH).requests, 0) == 7 - 3
    assert waited_in(Clock(*SWITCH[:5], request("GET", "/api/v1/x"), *SWITCH[5:]).requests, 0) == 5 - 3
    assert waited_in(Clock(*SWITCH[:2], SWITCH[-1]).requests, 0) == 0
    assert waited_in(Clock(*SWITCH, *SWITCH[:2]).requests, len(SWITCH)) == 0


def test_what_is_asked_again_is_a_poll() -> None:
    assert count_polls(SWITCH) == 2
    assert count_polls(SWITCH[:5]) == 0
    assert count_polls([request("GET", f"{ROUTES}?watch=true", watch=True)]) == 1


def job_run(seconds: float, requests: int = 10, waited: float = 0.0) -> JobRun:
    return JobRun(requests, 0, seconds, waited, seconds / 2, 1000)


def test_pipelines_that_did_not_run_are_counted_by_those_in_between() -> None:
    all_of_them = cost_of_pipelines([job_run(5), job_run(1), job_run(2)], 3)
    assert (all_of_them.elapsed, all_of_them.processor, all_of_them.requests) == (8, 4, 30)
    assert cost_of_pipelines([job_run(5), job_run(1), job_run(2)], 100).elapsed == 8 + 97 * 1
    assert cost_of_pipelines([job_run(5, waited=3)], 1).working == 2


def test_of_several_runs_the_middle_one_counts_and_the_highest_memory() -> None:
    costs = [Cost(10, 1, 2, 2, 5), Cost(10, 9, 3, 1, 7), Cost(12, 2, 9, 3, 6)]
    assert median_cost(costs) == Cost(10, 2, 3, 2, 7)
    assert total(costs) == Cost(32, 12, 14, 6, 7)


def measured(routes: int, round_trip: float, seconds: float, *, memory: int = 50_000_000, failed: int = 0) -> Measured:
    ours = dict.fromkeys(sides.JOBS, Cost(13, 1, seconds + 3, seconds, memory))
    article = dict.fromkeys(sides.JOBS, Cost(15 * routes, 1, 1.0, 1.0, 1))
    return Measured(routes, round_trip, 5, 3, article, ours, Seen(9, 1), Seen(9, failed))


def verdicts(one: Measured) -> list[str]:
    return [row[-1] for row in judge_targets([one])]


@pytest.mark.parametrize(
    ("routes", "round_trip", "limit"),
    [(1, 0.0, 2.0), (1, 0.025, 1.2), (3, 0.0, 1.0), (10, 0.025, 1.0), (100, 0.0, 0.1)],
)
def test_a_target_is_met_or_missed(routes: int, round_trip: float, limit: float) -> None:
    assert set(verdicts(measured(routes, round_trip, limit))) == {"met"}
    assert verdicts(measured(routes, round_trip, limit + 0.01)).count("missed") == 2
    assert verdicts(measured(routes, round_trip, limit, failed=1))[-1] == "missed"


def test_memory_has_a_target() -> None:
    assert verdicts(measured(100, 0.0, 0.1, memory=130_000_000)).count("missed") == 1


def test_what_users_must_not_see_is_counted() -> None:
    def answer(status: int | None) -> Answer:
        return Answer(0.0, "/", False, status, "", None, 0.0)

    assert judge([HostAnswers(0, [answer(200), answer(404), answer(503), answer(None)])]) == Seen(4, 2)


@pytest.mark.slow
def test_our_jobs_do_the_same_for_several_routes_at_once() -> None:
    async def story() -> None:
        async with Stage(2, QUICK) as stage:
            ours = Ours(stage)
            await ours.run("build-and-deploy", stage.names)
            begun = await ours.run("deploy-route", stage.names)
            assert 0 < begun.waited < begun.elapsed
            assert all([OUR_PAGE in await shown(stage, name) for name in stage.names])
            await ours.run("delete", stage.names)
            assert not any([OUR_PAGE in await shown(stage, name) for name in stage.names])
            assert routes(stage) == {"shop", *stage.names}
            assert releases(stage) == 0

    asyncio.run(story())
