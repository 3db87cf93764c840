"""A cluster on which case after case is played: its users are watched, and it must be as before after each case."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from maintenance_ci import cli
from maintenance_ci.names import PAGE
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.catalogue import RESOURCES
from maintenance_ci.rehearsal.apiserver.store import Object
from maintenance_ci.rehearsal.cluster import Options
from maintenance_ci.rehearsal.trouble import Trouble
from maintenance_ci.rehearsal.users import Answer, Users
from maintenance_ci.run.lease import DURATION, holder_of
from tests.tools.clusters import QUICK, Cluster, Job, running
from tests.tools.many_routes import add_routes, host_of

Variables = dict[str, str | None]
# What is meant by an object, by plural and name: without status, versions and times.
Picture = dict[tuple[str, str], Any]

# Limits that are for a real cluster, shortened: in seconds. Who was killed here is dead, and need not be waited for.
LIMITS = {
    "maintenance_ci.run.probe.PAUSE": 0.1,
    "maintenance_ci.cluster.openshift.PAUSES": (0.1, 0.2),
    "maintenance_ci.cluster.openshift.BUILD_START_TIMEOUT": (2.0, 4.0),
    "maintenance_ci.run.admission.SEEN_TIMEOUT": 2.0,
    "maintenance_ci.run.lease.AWAY": 2.0,
    "maintenance_ci.run.lease.patience": lambda found: 0.0 if holder_of(found).pipeline == "1" else DURATION,
    "maintenance_ci.templates.project.TIMEOUT": 2.0,
    "maintenance_ci.templates.project.PAUSES": (0.1, 0.2),
}
SETTLED = 30.0  # seconds for controllers to remove what went with its owner
SHOWN = f"{PAGE}:v1"
KEEPER = "keeper"
SUBPATH = "/cart"  # users ask for it, too
DERIVED = {"pods", "replicasets", "endpointslices"}
# Somebody else's bookkeeping in the metadata.
BOOKKEEPING = {"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink"}


def picture(objects: Mapping[tuple[str, str], Object]) -> Picture:
    """Return what is meant by the objects: all but their status and what servers note.

    Of what controllers make of others only the name counts, and a Pod that is about to end is none any more.
    """
    return {
        (plural, name): "there" if plural in DERIVED else _meaning(found)
        for (plural, name), found in objects.items()
        if "deletionTimestamp" not in found["metadata"]
    }


def changes(before: Picture, after: Picture) -> list[str]:
    """Return a line for each object that came, went or is meant otherwise."""
    lines = []
    for key in sorted(before.keys() | after.keys()):
        name = "/".join(key)
        if key not in after:
            lines.append(f"{name} is gone")
        elif key not in before:
            lines.append(f"{name} is left")
        elif before[key] != after[key]:
            lines.append(f"{name}: {', '.join(_unlike(before[key], after[key]))}")
    return lines


def _unlike(before: object, after: object, place: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _unlike(before.get(key), after.get(key), f"{place}.{key}")
    elif before != after:
        yield f"{place} was {str(before)[:60]!r}, is {str(after)[:60]!r}"


def _meaning(found: Object) -> Object:
    metadata = {key: value for key, value in found["metadata"].items() if value and key not in BOOKKEEPING}
    rest = {key: value for key, value in found.items() if key not in ("metadata", "status")}
    return rest | {"metadata": metadata}


@dataclass(frozen=True)
class Step:
    """One of the requests that a job makes: the ``number``-th with this method and path, counted from 1."""

    client: str
    method: str
    path: str
    number: int

    def __str__(self) -> str:
        short = self.path.split("/namespaces/")[-1].partition("?")[0]
        return f"{self.client} {self.method} {short}" + (f" #{self.number}" if self.number > 1 else "")

    @property
    def changes(self) -> bool:
        """Whether it changes something; processing and asking are POSTs too."""
        asks = ("dryRun=All", "/processedtemplates", "/selfsubject")
        return self.method != "GET" and not any(word in self.path for word in asks)

    def trouble(self, effect: str, argument: str = "", *, after: bool = False, times: int = 1) -> Trouble:
        """Return what lets ``effect`` befall this request."""
        path = f"{self.path}$"
        return Trouble(
            effect,
            argument,
            method=self.method,
            path=path,
            first=self.number,
            times=times,
            after=after,
            client=self.client,
        )


class Stage:
    """One cluster with its users.

    Args:
        cluster: it runs.
        keep_page: the page is there from the start and stays, because somebody else's Route needs it.
        rate: requests of users in a second, of all Routes together.
        beside: the names of other Routes to the application, each with its template.

    Attributes:
        before: what was there at first.
        arranged: what was there when the job under test could begin, where other jobs had come before it.
        references: what was there when something had gone well, by what that was.
        crowds: the users of each Route, by its name.
    """

    def __init__(self, cluster: Cluster, *, keep_page: bool, rate: float, beside: Sequence[str] = ()) -> None:
        self.cluster = cluster
        self._certify()
        if keep_page:
            self.ok("build-and-deploy", {})
            keeper = manifests.route(KEEPER, f"{KEEPER}.apps.example.test", service=PAGE)
            cluster.call(cluster.store.create, "routes", keeper, manager="somebody")
        if beside:
            add_routes(cluster, beside)
        self.before = self.settled()
        self.arranged: Picture | None = None
        self.references: dict[str, Picture] = {}
        names = (manifests.APPLICATION, *beside)
        self.crowds = {name: Crowd(cluster, host_of(name), rate=rate / len(names)) for name in names}

    @property
    def crowd(self) -> Crowd:
        """The users of the application's own Route."""
        return self.crowds[manifests.APPLICATION]

    @property
    def requests(self) -> int:
        """How many requests of users were answered so far, or failed."""
        return sum(crowd.requests for crowd in self.crowds.values())

    def served(self, *paths: str) -> dict[str, set[str]]:
        """Return who answers the users of each Route now, as `Crowd.served_by`."""
        with ThreadPoolExecutor(len(self.crowds)) as each:
            served = each.map(lambda one: one.served_by(*paths), self.crowds.values())
            return dict(zip(self.crowds, served, strict=True))

    def harmed(self) -> list[str]:
        """Return what users of each Route met that they should never meet, as `Crowd.harmed`."""
        return [f"{name}: {harm}" for name, crowd in self.crowds.items() for harm in crowd.harmed()]

    def _certify(self) -> None:
        """Give the original a certificate of its own: its key is a secret that jobs handle."""
        live = self.cluster.find("routes", manifests.APPLICATION)
        assert live is not None
        issued = self.cluster.inside._ca.issue_cert(manifests.HOST)
        self.key = issued.private_key_pem.bytes().decode()
        own = {"certificate": issued.cert_chain_pems[0].bytes().decode(), "key": self.key}
        spec = live["spec"] | {"tls": live["spec"]["tls"] | own}
        self.cluster.call(self.cluster.store.update, "routes", live | {"spec": spec}, manager="acme")

    def objects(self) -> dict[tuple[str, str], Object]:
        """Return all objects of the namespace."""

        def listed() -> dict[tuple[str, str], Object]:
            return {
                (plural, found["metadata"]["name"]): found
                for plural, resource in RESOURCES.items()
                if resource.namespaced
                for found in self.cluster.store.list(plural, manifests.NAMESPACE)
            }

        found: dict[tuple[str, str], Object] = self.cluster.call(listed)
        return found

    def picture(self) -> Picture:
        """Return what is there now."""
        return picture(self.objects())

    def settled(self) -> Picture:
        """Return what is there when controllers have nothing left to do: when nothing changes for a moment."""
        deadline, now = time.monotonic() + SETTLED, self.picture()
        while time.monotonic() < deadline:
            time.sleep(0.3)
            now, before = self.picture(), now
            if now == before:
                break
        return now

    def differs(self) -> list[str]:
        """Return how the namespace differs from how it was at first; controllers get a while to finish."""
        deadline = time.monotonic() + SETTLED
        while (found := changes(self.before, self.picture())) and time.monotonic() < deadline:
            time.sleep(0.1)
        return found

    @property
    def is_arranged(self) -> bool:
        """Whether all is as it was when the job under test could begin."""
        return self.arranged is not None and not changes(self.arranged, self.picture())

    def befall(self, trouble: Trouble) -> None:
        """Let it happen from now on."""
        self.cluster.inside.troubles.met.clear()
        self.cluster.call(self.cluster.inside.troubles.add, trouble)

    def relieve(self) -> int:
        """Let nothing happen any more; returns how often something has."""
        self.cluster.call(self.cluster.inside.troubles.clear)
        return len(self.cluster.inside.troubles.met)

    def run(self, job: str, variables: Variables) -> Job:
        """Run the job as it is run in a pipeline, but inside of this process, which saves its start."""
        workplace = self.cluster.workplace(variables)
        with _as_job(workplace.folder, workplace.environment) as output:
            code = cli.main([job])
        return self.told(Job(code, output.getvalue().splitlines()))

    def run_process(self, job: str, variables: Variables) -> Job:
        """Run the job as a process of its own, which can be killed."""
        return self.told(self.cluster.run(job, variables))

    def ok(self, job: str, variables: Variables) -> Job:
        """Run the job, which must succeed."""
        done = self.run(job, variables)
        assert done.code == 0, f"{job} ended with {done.code}:\n{done.log}"
        return done

    def steps(self, job: str, variables: Variables) -> list[Step]:
        """Return the requests to the cluster that the job makes when all goes well.

        One that is repeated counts once. What comes by the clock does not count: a renewal of the Lease, a look at a
        Build that waits.
        """
        requests = self.cluster.inside.server.requests
        first = len(requests)
        self.ok(job, variables)
        steps: list[Step] = []
        seen: Counter[tuple[str, str, str]] = Counter()
        for request in requests[first:]:
            looked_again = "/builds?labelSelector" in request.path and any(step.path == request.path for step in steps)
            if looked_again or (request.method == "PUT" and "/leases/" in request.path):
                continue
            client = "helm" if request.user_agent.startswith("Helm/") else "ours"
            key = (client, request.method, request.path)
            seen[key] += 1
            polled = bool(steps) and replace(steps[-1], number=0) == Step(*key, number=0)
            if not (polled and request.method == "GET"):
                steps.append(Step(*key, number=seen[key]))
        return steps

    def told(self, done: Job) -> Job:
        """Hold what must hold of every log."""
        assert "Traceback" not in done.log, done.log
        inside = self.cluster.inside
        for secret in (inside.token, inside.job_token, *self.key.splitlines()[1:-1]):
            assert secret not in done.log, "a secret is in the log"
        return done


class Crowd:
    """The users of one host, from now until they are sent home."""

    def __init__(self, cluster: Cluster, host: str, *paths: str, rate: float = 30.0) -> None:
        self._cluster, self._checked = cluster, 0
        inside = cluster.inside
        self._users = Users(
            host, inside.router.https_port, inside.client_tls(), paths=paths or ("/", SUBPATH), rate=rate
        )
        cluster.do(self._users.start())

    @property
    def requests(self) -> int:
        """How many were answered so far, or failed."""
        return len(self._users.answers)

    def harmed(self) -> list[str]:
        """Return what users met since the last call that they should never meet: a 5xx, or no answer.

        What is under way counts too. HAProxy tries a Pod that has just gone three times, a second apart: its 503 comes
        three seconds after the request, and would be blamed on whatever is tested by then.
        """
        self._cluster.do(self._users.answered())
        answers = self._users.answers[self._checked :]
        self._checked += len(answers)
        return harm(answers)

    def served_by(self, *paths: str, enough: int = 3) -> set[str]:
        """Return who answers the paths (``/``) now: the next answers to requests that are sent from now on."""
        wanted = paths or ("/",)
        began, deadline = self._cluster.call(lambda: self._users.elapsed), time.monotonic() + 60
        while time.monotonic() < deadline:
            now = [one for one in self._users.answers[-100:] if one.time >= began and one.path in wanted]
            if min(Counter(wanted + tuple(one.path for one in now)).values()) > enough:
                return {answer.served_by for answer in now}
            time.sleep(0.02)
        raise AssertionError("the users are not answered")

    def leave(self) -> list[Answer]:
        """Send them home, and return all their answers."""
        return self._cluster.do(self._users.stop())


def harm(answers: list[Answer]) -> list[str]:
    """Return a line for each kind of answer that no user should get, with the first of its kind."""
    kinds: dict[str, list[Answer]] = {}
    for answer in answers:
        if answer.status is None or answer.status >= 500:
            kinds.setdefault(f"{answer.status or answer.error} from {answer.served_by}", []).append(answer)
    return [f"{len(bad)} users got {kind}, first {_circumstances(bad[0])}" for kind, bad in kinds.items()]


def _circumstances(answer: Answer) -> str:
    connection = "a kept-alive" if answer.kept_alive and not answer.retried else "a new"
    return f"{answer.path} at {answer.time:.2f} s, answered after {answer.latency:.2f} s, on {connection} connection"


@contextlib.contextmanager
def stage(
    *, keep_page: bool = True, options: Options = QUICK, rate: float = 30.0, beside: Sequence[str] = ()
) -> Iterator[Stage]:
    """A cluster with users on it, ``rate`` requests of them in a second; with Routes ``beside`` the application's."""
    with running(options) as cluster:
        it = Stage(cluster, keep_page=keep_page, rate=rate, beside=beside)
        try:
            yield it
        finally:
            for crowd in it.crowds.values():
                crowd.leave()


def bare_stage() -> AbstractContextManager[Stage]:
    """A cluster without the page."""
    return stage(keep_page=False)


@contextlib.contextmanager
def _as_job(folder: Path, environment: Mapping[str, str]) -> Iterator[io.StringIO]:
    """Be a job, with less patience: its folder, environment and output; and be the test again afterwards."""
    output, handler = io.StringIO(), signal.getsignal(signal.SIGTERM)
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(output), contextlib.chdir(folder):
        for name in set(os.environ) - set(environment):
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        for limit, seconds in LIMITS.items():
            patch.setattr(limit, seconds)
        try:
            yield output
        finally:
            signal.signal(signal.SIGTERM, handler)
