"""The cluster that jobs are measured on: many Routes, a network that takes its time, users, and a count of requests."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from benchmarks.slow_network import SlowNetwork
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.cluster import TEMPLATE_PROJECT, EmbeddedOpenShift, Options
from maintenance_ci.rehearsal.users import Users

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Sequence

    from maintenance_ci.rehearsal.apiserver.server import Request
    from maintenance_ci.rehearsal.users import Answer

# Seconds between two reloads of each replica of the router: a tenth of a real one's, so that waits are short.
RELOAD_INTERVAL = 0.5
OPTIONS = Options(reload_interval=RELOAD_INTERVAL, replicas=2, busy=False)
# Hosts that users ask for, of all, and how often they do, all together: what two processor cores serve on the side.
HOSTS, RATE = 5, 20.0


class StampedRequests(list["Request"]):
    """The requests that the API server has answered, each with the time on the loop's clock."""

    def __init__(self) -> None:
        super().__init__()
        self.times: list[float] = []

    def append(self, request: Request) -> None:
        """Note a request, and when it was answered."""
        super().append(request)
        self.times.append(asyncio.get_running_loop().time())


@dataclass(frozen=True)
class Seen:
    """What users saw meanwhile: how often they asked, and how often they got a 5xx or no answer."""

    requests: int
    failed: int


@dataclass(frozen=True)
class HostAnswers:
    """What users of one host were answered, in order of their requests.

    Attributes:
        began: when they came, on the loop's clock; an answer's time counts from there.
        answers: what they got.
    """

    began: float
    answers: Sequence[Answer]


class Stage:
    """An embedded OpenShift with a number of applications. Use it with ``async with``.

    All of them have one Pod, each has its Service, its Route, and in GitLab its template, an OpenShift Template.

    Attributes:
        cluster: the cluster.
        requests: that its API server has answered.
        names: of the Routes, in order.
    """

    def __init__(self, routes: int, options: Options = OPTIONS) -> None:
        self.cluster = EmbeddedOpenShift(options)
        self.requests = StampedRequests()
        self.names = [f"app-{number:03}" for number in range(1, routes + 1)]
        self._stack = contextlib.AsyncExitStack()
        self._networks: dict[int, SlowNetwork] = {}

    async def __aenter__(self) -> Self:
        await self._stack.enter_async_context(self.cluster)
        try:
            self.cluster.server.requests = self.requests
            for name in self.names:
                self._create(name)
            await self.settled()
            router = self.cluster.router
            for url in (self.cluster.server.url, self.cluster.gitlab.url):
                await self._put_network_before(int(urlsplit(url).port or 0))
            for port in (router.http_port, router.https_port):
                await self._put_network_before(port)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self._stack.aclose()

    def set_round_trip(self, seconds: float) -> None:
        """Let all jobs be this far from the cluster's API, from GitLab and from the public URLs."""
        for network in self._networks.values():
            network.round_trip = seconds

    def variables(self) -> dict[str, str]:
        """Return a job's variables, but for its Routes; each address leads through the network."""
        variables = self.cluster.job_variables() | {
            "IMAGE_TAG": "v1",
            "ROUTER_RELOAD_INTERVAL": str(self.cluster.options.reload_interval),
            # Hundreds of Routes and their users share two cores with the API server.
            "API_TIMEOUT": "120",
        }
        addresses = {"OKD_URL", "CI_SERVER_URL", "PUBLIC_ADDRESS"}
        return variables | {name: self._through_network(variables[name]) for name in addresses}

    @contextlib.asynccontextmanager
    async def users(self, *, hosts: int = HOSTS, rate: float = RATE) -> AsyncIterator[list[HostAnswers]]:
        """Let users ask for some of the applications meanwhile.

        Yields a list that holds afterwards what they were answered, for each host.

        Args:
            hosts: that they ask for, at the most: the first Route's, the last one's, and some in between.
            rate: requests a second, all together.
        """
        names = evenly(self.names, hosts)
        crowd = [
            Users(host_of(name), self.cluster.router.https_port, self.cluster.client_tls(), rate=rate / len(names))
            for name in names
        ]
        answers: list[HostAnswers] = []
        for users in crowd:
            await users.start()
        try:
            yield answers
        finally:
            for users in crowd:
                began = asyncio.get_running_loop().time() - users.elapsed
                answers.append(HostAnswers(began, await users.stop()))

    async def settled(self) -> None:
        """Wait until the router serves what is in the cluster now, and raise what broke a part of it."""
        router = self.cluster.router
        # One that another tenant keeps busy never serves all, and reloads all the time.
        await (router.next_reload() if self.cluster.options.busy else router.followed())
        await self.cluster.healthy()

    def template(self, name: str) -> bytes:
        """Return the template of a Route: an OpenShift Template, as JSON, which is YAML as well."""
        project = next(one for one in self.cluster.gitlab.projects if one.path == TEMPLATE_PROJECT)
        return project.branches["main"][f"{name}.yaml"]

    def _create(self, name: str) -> None:
        route = manifests.route(name, host_of(name))
        service, _ = manifests.application(name)
        service[1]["spec"]["selector"] = {"app": manifests.APPLICATION}
        self.cluster.store.create(*service, manager="benchmark")
        self.cluster.store.create("routes", route, manager="benchmark")
        template = {
            "apiVersion": "template.openshift.io/v1",
            "kind": "Template",
            "metadata": {"name": name},
            "objects": [route],
        }
        project = next(one for one in self.cluster.gitlab.projects if one.path == TEMPLATE_PROJECT)
        project.branches["main"][f"{name}.yaml"] = json.dumps(template).encode()

    async def _put_network_before(self, port: int) -> None:
        self._networks[port] = await self._stack.enter_async_context(SlowNetwork(port))

    def _through_network(self, urls: str) -> str:
        return " ".join(self._networks[int(urlsplit(url).port or 0)].before(url) for url in urls.split())


def host_of(name: str) -> str:
    """Return the host of a Route."""
    return f"{name}.apps.example.test"


def evenly(names: Sequence[str], number: int) -> list[str]:
    """Return so many of the names at the most: the first, the last, and some in between."""
    if len(names) <= number:
        return list(names)
    return [names[round(at * (len(names) - 1) / (number - 1))] for at in range(number)]


def judge(answers: Iterable[HostAnswers]) -> Seen:
    """Count what users saw."""
    seen = [answer for one in answers for answer in one.answers]
    return Seen(len(seen), sum(answer.status is None or answer.status >= 500 for answer in seen))
