"""The two ways to put Routes into maintenance, as jobs that are run and measured: the article's, and ours."""

from __future__ import annotations

import shutil
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.processes import run
from maintenance_ci.rehearsal.pinned_helm import HELM_3_VERSION, pinned_helm_path
from maintenance_ci.rehearsal.workplace import prepare
from tests.tools import oc_stand_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from benchmarks.processes import Took
    from benchmarks.stage import Stage, StampedRequests
    from maintenance_ci.rehearsal.apiserver.server import Request

HERE = Path(__file__).parent
JOBS = ("build-and-deploy", "deploy-route", "delete")
WRITES = ("POST", "PUT", "PATCH", "DELETE")


@dataclass(frozen=True)
class JobRun:
    """What one job took.

    Attributes:
        requests: to the cluster's API, without `polls`.
        polls: reads of what was read before, watches, and renewals of a Lease.
        elapsed: seconds.
        waited: seconds of these in which it only waited for the router and for users; the article's jobs do not.
        processor: seconds of processor time.
        memory: bytes; the peak of the biggest process.
    """

    requests: int
    polls: int
    elapsed: float
    waited: float
    processor: float
    memory: int


class Article:
    """The article's pipelines: one for each Route, one after the other, each job in a container of its own."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def run(self, job: str, name: str, **variables: str) -> JobRun:
        """Run a job for one Route; raises CommandFailedError."""
        with tempfile.TemporaryDirectory() as folder:
            home = Path(folder)
            tools = _tools(home)
            (home / "template.json").write_bytes(self._stage.template(name))
            given = self._stage.variables()
            environment = {
                "PATH": f"{tools}:/usr/bin:/bin",
                "HOME": folder,
                "LANG": "C.UTF-8",
                "KUBECONFIG": f"{folder}/.kube/config",
                "PROJECT": given["PROJECT"],
                "OKD_URL": given["OKD_URL"],
                "OKD_TOKEN": self._stage.cluster.admin_token,
                "IMAGE_TAG": given["IMAGE_TAG"],
                "ROUTE_NAME": name,
                "GOOD_ROUTE_TEMPLATE": str(home / "template.json"),
                "OC_START_BUILD": str(tools / "oc-start-build"),
                "SSL_CERT_FILE": given["OKD_CA"],
                **variables,
            }
            script = HERE / "checkout" / "jobs" / f"{job}.sh"
            return await _measured(self._stage, ["bash", str(script)], HERE / "checkout", environment)


class Ours:
    """Our pipeline: one for all Routes, each job in a container of its own."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    async def run(self, job: str, names: Sequence[str]) -> JobRun:
        """Run a job for these Routes; raises CommandFailedError."""
        with tempfile.TemporaryDirectory() as folder:
            workplace = prepare(Path(folder), self._stage.variables() | {"ROUTE_NAME": " ".join(names)})
            argv = [sys.executable, "-m", "maintenance_ci", job]
            first = len(self._stage.requests)
            job_run = await _measured(self._stage, argv, workplace.folder, workplace.environment)
            return replace(job_run, waited=waited_in(self._stage.requests, first))


async def _measured(stage: Stage, argv: list[str], folder: Path, environment: Mapping[str, str]) -> JobRun:
    first = len(stage.requests)
    took: Took = await run(argv, folder=folder, environment=environment)
    polls = count_polls(stage.requests[first:])
    return JobRun(
        requests=len(stage.requests) - first - polls,
        polls=polls,
        elapsed=took.elapsed,
        waited=0.0,
        processor=took.processor,
        memory=took.memory,
    )


def count_polls(requests: Iterable[Request]) -> int:
    """Count the requests that a job made because it waited: one that asks again, or shows that it is still there."""
    asked: set[str] = set()
    polls = 0
    for one in requests:
        renewal = one.method in ("PUT", "PATCH") and "/leases/" in one.path
        again = one.method == "GET" and "/namespaces/" in one.path and one.path in asked
        polls += one.watch or renewal or again
        if one.method == "GET":
            asked.add(one.path)
    return polls


def waited_in(requests: StampedRequests, first: int) -> float:
    """Return the seconds from the last change of a Route until the job went on with something else.

    What it reads of Routes meanwhile, and a Lease that it renews, belongs to the wait.
    """
    numbered = list(enumerate(requests))[first:]
    last = max((at for at, one in numbered if _changes_route(one)), default=None)
    if last is None:
        return 0.0
    after = (at for at, one in numbered if at > last and not _belongs_to_wait(one))
    return requests.times[next(after, last)] - requests.times[last]


def _changes_route(request: Request) -> bool:
    return request.method in WRITES and "/routes" in request.path and "dryRun" not in request.path


def _belongs_to_wait(request: Request) -> bool:
    renewal = request.method in ("PUT", "PATCH") and "/leases/" in request.path
    return renewal or (request.method == "GET" and "/routes" in request.path)


def _tools(folder: Path) -> Path:
    """Put what the article's scripts call into a folder; the rest they find on the machine."""
    tools = folder / "tools"
    tools.mkdir()
    (tools / "oc").symlink_to(HERE / "tools" / "oc")
    # Helm 4 stops at its second upgrade: the image trigger owns the image by then.
    (tools / "helm").symlink_to(pinned_helm_path(HELM_3_VERSION))
    (tools / "kubectl").symlink_to(Path(sys.executable).with_name("kubectl"))
    oc_stand_in.install(folder).rename(tools / "oc-start-build")
    if shutil.which("envsubst") is None:
        (tools / "envsubst").symlink_to(HERE / "tools" / "envsubst")
    return tools
