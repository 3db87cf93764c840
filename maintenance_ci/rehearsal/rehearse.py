"""``maintenance-ci rehearse``: a Route goes into maintenance and comes back, on an embedded OpenShift, under load.

The three jobs run as they do in a pipeline, each as a process with the pipeline's variables, while users ask for the
application all the time. What every user got decides whether the rehearsal passed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shlex
import signal
import sys
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from maintenance_ci.errors import EXIT_FAILED, EXIT_TRY_AGAIN, MaintenanceError, VariableError
from maintenance_ci.names import PAGE
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.cluster import EmbeddedOpenShift
from maintenance_ci.rehearsal.cluster import Options as ClusterOptions
from maintenance_ci.rehearsal.tools import ToolMissingError
from maintenance_ci.rehearsal.users import APPLICATION, UNKNOWN, Users
from maintenance_ci.rehearsal.verdict import (
    MINIMUM_SECONDS,
    Phase,
    Verdict,
    format_table,
    judge,
    under,
    watched_seconds,
)
from maintenance_ci.rehearsal.workplace import Workplace, prepare
from maintenance_ci.settings.variables import RouteSettings, read_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

JOBS = ("build-and-deploy", "deploy-route", "delete")
IMAGE_TAG = "v1"
# Seconds for which each side must be seen to serve, beyond the jobs' own time; and at the most, where a machine that
# does something else lets too few users in.
HOLD, HOLD_AT_MOST = 11.0, 120.0
# Who serves when the job has ended.
SERVES = {"deploy-route": "the page serves", "delete": "the application serves again"}
PATHS = ("/", "/cart", "/checkout", "/checkout/payment?step=2", "/static/app.js")


@dataclass(frozen=True)
class Options:
    """What the command line asks for.

    Attributes:
        picture: file for the picture, ``.png`` or ``.svg``; None draws none.
        subpath: the path to put into maintenance; None for the whole Route.
        keep: leave the cluster up afterwards, until Ctrl-C.
        chart: a chart of one's own.
        docker: a page of one's own.
        templates: Route templates of one's own.
        variables: pipeline variables on top, or instead, of the rehearsal's.
        cluster: how the cluster behaves.
        hold: seconds for which each side must serve.
    """

    picture: Path | None
    subpath: str | None = None
    keep: bool = False
    chart: Path | None = None
    docker: Path | None = None
    templates: Path | None = None
    variables: Mapping[str, str] | None = None
    cluster: ClusterOptions | None = None
    hold: float = HOLD


@dataclass(frozen=True)
class Failed:
    """The job that failed."""

    job: str
    code: int

    @property
    def undone(self) -> bool:
        """Whether its exit code says that users meet the application, as they did before."""
        return self.job == "deploy-route" and self.code in (EXIT_FAILED, EXIT_TRY_AGAIN)

    @property
    def after(self) -> str:
        """Who may serve from then on."""
        return "the application serves still" if self.undone else f"either side may serve after {self.job}"


def rehearse(options: Options) -> int:
    """Run the rehearsal and print its result; returns 0 when every user got the right answer, without a 5xx.

    Raises:
        MaintenanceError: it cannot be begun.
    """
    if options.picture and not (
        options.picture.suffix in (".png", ".svg") and os.access(options.picture.parent, os.W_OK)
    ):
        raise VariableError([f"--picture: {options.picture} must be a .png or .svg in a folder that can be written to"])
    try:
        return asyncio.run(_cancellable(options))
    except ToolMissingError as error:
        raise MaintenanceError(f"{error}.", "Nothing was started.") from error
    except asyncio.CancelledError:
        _say("stopped; everything that was started is removed")
        return EXIT_FAILED


async def _cancellable(options: Options) -> int:
    """Run the story, until Ctrl-C or a SIGTERM cancels it."""
    story = asyncio.ensure_future(_run(options))
    stopping = False

    def stop() -> None:
        """Cancel the story, once: a second Ctrl-C must not cut short what puts back, and removes, what there is."""
        nonlocal stopping
        if not stopping:
            _say("stopping; a job that is under way puts back first what it has begun")
            story.cancel()
        stopping = True

    for sig in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(sig, stop)
    return await story


async def _run(options: Options) -> int:
    _say("starting the embedded OpenShift: API server, controllers, router, GitLab, and the application")
    async with EmbeddedOpenShift(options.cluster) as cluster:
        variables = cluster.job_variables() | {"ROUTE_NAME": manifests.APPLICATION, "IMAGE_TAG": IMAGE_TAG}
        variables |= {"SUBPATH": options.subpath or "", **(options.variables or {})}
        subpath = read_settings(RouteSettings, variables).subpath  # a wrong one is told as a job tells it
        workplace = prepare(
            cluster.folder, variables, chart=options.chart, docker=options.docker, templates=options.templates
        )
        verdict = await Rehearsal(cluster, workplace, subpath, options).run()
        if options.keep:
            await _keep(cluster, workplace)
        return 0 if verdict.passed else EXIT_FAILED


class Rehearsal:
    """One run of the story."""

    def __init__(self, cluster: EmbeddedOpenShift, workplace: Workplace, subpath: str | None, options: Options) -> None:
        self._cluster, self._workplace, self._options = cluster, workplace, options
        page = f"{PAGE}:{workplace.environment['IMAGE_TAG']}"
        if options.docker and not (options.docker / "page.conf").exists():
            _say("this page has no page.conf, and so no name: whoever is not the application is taken for it")
            page = UNKNOWN
        self._in_maintenance = under(subpath, inside=page, outside=APPLICATION) if subpath else page
        paths = PATHS if subpath is None else (*PATHS, subpath, f"{subpath}/deep", f"{subpath}ish")
        self._began = 0.0
        self._users = Users(manifests.HOST, cluster.router.https_port, cluster.client_tls(), paths=paths)

    async def run(self) -> Verdict:
        """Run the jobs under load; print the table, draw the picture, return the verdict."""
        await self._users.start()
        try:
            phases, failed = await self._story()
        finally:
            answers = await self._users.stop()
        phases.append(self._phase(phases, failed))
        verdict = judge(answers, phases, minimum_seconds=self._minimum_seconds)
        faults = [f"the job {failed.job} ended with exit code {failed.code}"] if failed else []
        for never, seen in self._cluster.troubles.never.items():
            faults.append(f"the trouble '{never}' never came true ({seen} such requests were made)")
        verdict = replace(verdict, faults=(*verdict.faults, *faults))
        _say("")
        _say(format_table(verdict))
        for trouble, request in self._cluster.troubles.met:
            _say(f"  the trouble {trouble.effect} came to {request}")
        if self._options.picture:
            os.environ["MPLBACKEND"] = "agg"  # matplotlib is not to be imported where the caller's is unknown to it
            from maintenance_ci.rehearsal.picture import draw  # matplotlib: half a second that most need not wait for

            draw(answers, phases, self._options.picture, "Who answered the users")
            _say(f"the picture: {self._options.picture}")
        return verdict

    async def _story(self) -> tuple[list[Phase], Failed | None]:
        """Run the three jobs; return the phases that are over, and which job failed.

        In a phase one side alone must answer: the application until deploy-route starts, the page from when it has
        ended until delete starts, the application from when that has ended. A job that failed is the last one.
        """
        phases: list[Phase] = []
        await self._hold("the application serves")
        for job in JOBS:
            if job != "build-and-deploy":
                phases.append(self._phase(phases))
            code = await self._job(job)
            failed = Failed(job, code) if code else None
            if job != "build-and-deploy":
                self._began = self._users.elapsed
                await self._hold(failed.after if failed else SERVES[job])
            if failed:
                return phases, failed
        return phases, None

    def _phase(self, before: list[Phase], failed: Failed | None = None) -> Phase:
        """Close the phase that is on: application, maintenance, application again; or what came after a failure."""
        now = self._users.elapsed
        if failed and before:
            either = None if failed.undone else self._in_maintenance
            return Phase(f"after {failed.job}", self._began, now, APPLICATION, either)
        name = ("application", "maintenance", "application again")[len(before)]
        return Phase(name, self._began, now, self._in_maintenance if len(before) == 1 else APPLICATION)

    @property
    def _minimum_seconds(self) -> float:
        return min(MINIMUM_SECONDS, self._options.hold)

    async def _hold(self, what: str) -> None:
        self._tell(f"{what}: {self._options.hold:g} s, and until the router has reloaded")
        await asyncio.sleep(self._options.hold)
        while self._users.elapsed < self._began + HOLD_AT_MOST and not self._is_watched():  # noqa: ASYNC110 - users come
            await asyncio.sleep(1)
        await self._cluster.healthy()
        if self._cluster.options.busy:
            # The worst moment for a switch: from here a busy router waits out a whole interval.
            await self._cluster.router.next_reload()

    def _is_watched(self) -> bool:
        """Whether enough users asked in this phase, in enough seconds."""
        return watched_seconds(self._users.answers, self._began, self._users.elapsed) >= int(self._minimum_seconds)

    async def _job(self, job: str) -> int:
        self._tell(f"job {job}")
        code = await self._workplace.run(
            job, say=lambda line: _say(f"          │ {line}"), started=self._cluster.troubles.may_kill
        )
        self._cluster.troubles.kill = None
        self._tell(f"job {job} ended with exit code {code}")
        return code

    def _tell(self, what: str) -> None:
        _say(f"{self._users.elapsed:7.1f} s  {what}")


async def _keep(cluster: EmbeddedOpenShift, workplace: Workplace) -> None:
    """Say how to use the cluster, and leave it up until Ctrl-C."""
    kubeconfig, script = cluster.admin_kubeconfig(), cluster.folder / "environment.sh"
    script.touch(mode=0o600)
    script.write_text(workplace.for_a_shell(kubeconfig))
    host, port = manifests.HOST, cluster.router.https_port
    for line in (
        "",
        "The cluster stays up until Ctrl-C. In another terminal:",
        f"  cd {shlex.quote(str(workplace.folder))} && . {shlex.quote(str(script))}",
        "  maintenance-ci build-and-deploy && maintenance-ci deploy-route     # and later: maintenance-ci delete",
        "  helm list                            # as an administrator, by KUBECONFIG; kubectl works likewise",
        f"  curl --cacert {cluster.ca_file} --resolve {host}:{port}:127.0.0.1 https://{host}:{port}/",
        f"API server: {cluster.server.url}   GitLab: {cluster.gitlab.url}   KUBECONFIG: {kubeconfig}",
    ):
        _say(line)
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            await asyncio.sleep(1)
            await cluster.healthy()
    _say("stopped; everything that was started is removed")


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
