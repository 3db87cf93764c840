"""Command ``rehearse --cluster``: the jobs, on the real cluster, for an application that is thrown away afterwards.

It proves before the night what no embedded cluster can: a team's token, quotas, registry, DNS, router and its reload
interval. No Route of an application is touched; what is made is named and labelled, and removed however this ends.
"""

from __future__ import annotations

import contextlib
import math
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from maintenance_ci.errors import MaintenanceError, RefusedError, UnsafeError
from maintenance_ci.jobs.build_and_deploy import build_and_deploy
from maintenance_ci.jobs.delete import delete
from maintenance_ci.jobs.deploy_route import deploy_route
from maintenance_ci.jobs.export_route import export
from maintenance_ci.log.report_files import PICTURE, Check
from maintenance_ci.names import MANAGED_BY, MANAGED_BY_LABEL, PAGE, SERVICE_LABEL
from maintenance_ci.page.rehearsed import NO_PAGE, fingerprint
from maintenance_ci.page.rollout import why_page_does_not_run
from maintenance_ci.plan import throw_away
from maintenance_ci.plan.checks import ready_services
from maintenance_ci.plan.marks import stands_for
from maintenance_ci.plan.overview import rows
from maintenance_ci.plan.page_route import backend_services
from maintenance_ci.plan.rehearsal_picture import picture
from maintenance_ci.plan.rehearsal_table import Request, Stretch, faults, request_table
from maintenance_ci.plan.rights import deploying_rights, require_rights
from maintenance_ci.plan.route_access import public_url
from maintenance_ci.plan.steps import Side
from maintenance_ci.plan.verdicts import drain_time, serving_routers
from maintenance_ci.run.crowd import Crowd
from maintenance_ci.run.interruption import undisturbed
from maintenance_ci.run.probe import Probe, summarize
from maintenance_ci.run.reloads import measure_reloads
from maintenance_ci.run.shared_reads import SharedReads
from maintenance_ci.run.throw_away import made_by_rehearsals, make_application, remove_made
from maintenance_ci.settings.variables import ExportSettings, TemplatesSettings
from maintenance_ci.templates.in_hand import TemplateInHand
from maintenance_ci.templates.route import template_path
from maintenance_ci.waiting import wait_for

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.jobs.build_and_deploy import Tools
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.page.rehearsed import Fingerprint, RehearsalHelm
    from maintenance_ci.settings.rehearsal import RehearsalSettings
    from maintenance_ci.settings.variables import BuildAndDeploySettings
    from maintenance_ci.templates.project import TemplateProject

# What is rehearsed: a strategy, and the path that is put into maintenance; None for the whole Route.
ROUNDS = (("swap", None), ("repoint", None), ("swap", throw_away.SUBPATH))
# Seconds for which each side is seen to serve.
HOLD = 2.0
UNTOUCHED = "No Route of an application was touched."
APPLICATION, PAGE_SIDE = frozenset({Side.APPLICATION}), frozenset({Side.PAGE})
EITHER_SIDE = APPLICATION | PAGE_SIDE


@dataclass(eq=False)
class Rehearsal:
    """One run.

    Attributes:
        build: the variables of ``build-and-deploy``.
        cluster: the namespace, whose Lease is held.
        helm: that of ``tools``: it labels what it installs, and keeps it until the last round.
        route_template: the maintenance Route's Jinja2 template.
        run_id: all that this run makes is labelled with it.
    """

    settings: RehearsalSettings
    build: BuildAndDeploySettings
    cluster: OpenShift
    tools: Tools
    helm: RehearsalHelm
    route_template: str
    run_id: str
    log: JobLog
    _began: float = field(default_factory=time.monotonic, init=False)
    _seconds: dict[str, float] = field(default_factory=dict, init=False)
    _not_proven: list[str] = field(default_factory=list, init=False)
    _stretches: list[Stretch] = field(default_factory=list, init=False)
    _requests: list[Request] = field(default_factory=list, init=False)
    _left: list[str] = field(default_factory=list, init=False)
    _changed: str = field(default="", init=False)

    @property
    def _name(self) -> str:
        return throw_away.name_of(self.run_id)

    def run(self, templates: TemplateProject | None) -> None:
        """Rehearse, remove all that was made, and say what is proven.

        Args:
            templates: the template project, which is only asked whether it can be read; None: none is named.

        Raises:
            MaintenanceError: something stands in the way, or did not go well.
        """
        log = self.log
        with log.phase("Look at the namespace"):
            self._require_no_maintenance()
            self._require_rights()
            self._remove_leftovers()
            self._ask_templates(templates)
            before = fingerprint(self.cluster)
            log.say(f"the page before: {before}")
        log.outcome.set(f"The rehearsal's own objects are there ({self._name}). {UNTOUCHED}")
        try:
            self._rehearse(is_there=before.image is not None)
        finally:
            with undisturbed(), log.phase("Remove what the rehearsal made"):
                self._left = remove_made(self.cluster, self.helm, self.run_id, log.say)
                self._tell_left()
            self._compare(before)
            self._tell()
        wrong = [f"The rehearsal left something behind: {'; '.join(self._left)}."] if self._left else []
        wrong += [self._changed] if self._changed else []
        if badly := faults(self._stretches, self._requests):
            wrong.append(f"Users were not well served: {'; '.join(badly)}.")
        if wrong:
            raise MaintenanceError(" ".join(wrong))
        log.end(f"The rehearsal went well: {len(self._requests)} requests, none failed. {log.outcome.users}")

    def _compare(self, before: Fingerprint) -> None:
        """Note whether the page is as it was."""
        check = Check("the page is afterwards as it was before", "passed")
        self.log.record.checks.append(check)
        try:
            after = fingerprint(self.cluster)
        except MaintenanceError as error:
            check.outcome = "failed"
            self._changed = check.words = f"It is not known whether the page is as it was: {error.what}"
            return
        # Of a page whose removal was cut short before, nothing is left now.
        if after != before and not (before.image is None and after == NO_PAGE):
            check.outcome = "refused"
            self._changed = check.words = f"The page is not as it was: {before} before, {after} now."

    def _require_no_maintenance(self) -> None:
        """Refuse to work beside a maintenance: the page, and the namespace's Lease, are its."""
        with self.log.check("nothing is in maintenance in the namespace"):
            routes = self.cluster.select("routes")
            snapshots = self.cluster.select("secrets", {MANAGED_BY_LABEL: MANAGED_BY})
            names = {row.route for row in rows(routes, snapshots, page_ready=True, now=datetime.now(UTC))}
            names |= {stands_for(one) or one["metadata"]["name"] for one in routes if PAGE in backend_services(one)}
            if others := sorted(name for name in names if not throw_away.NAME.fullmatch(name)):
                raise UnsafeError(
                    f"Something is in maintenance in {self.settings.project}: {', '.join(others)}.",
                    "Rehearse when it has ended (maintenance-ci status), or in another namespace.",
                )

    def _remove_leftovers(self) -> None:
        """Remove what a rehearsal has left that was killed: we hold the Lease, so none is at work."""
        for run in made_by_rehearsals(self.cluster):
            self.log.warn(f"the rehearsal {throw_away.name_of(run)} was cut short: what it left is removed now")
            if left := remove_made(self.cluster, self.helm, run, self.log.say):
                raise MaintenanceError(f"What an earlier rehearsal has left cannot be removed: {'; '.join(left)}.")
        self.helm.keeps = True

    def _require_rights(self) -> None:
        with self.log.check("the token has the rights of the Role"):
            host = self.settings.rehearsal_host is not None
            rights = dict.fromkeys((*deploying_rights(), *throw_away.needed_rights(self.run_id, host=host)))
            require_rights(SharedReads(self.cluster).missing_rights(rights))

    def _ask_templates(self, templates: TemplateProject | None) -> None:
        """Ask for one file that need not be there: whether the token may read the project."""
        if templates is None:
            self._not_proven.append("the template project: no ROUTE_TEMPLATES_PROJECT is given")
            return
        with self.log.check(f"the template project {templates.name} can be read"):
            templates.read_if_there(template_path(self.settings.route_template_path, self._name))
        self._not_proven.append("the templates of your Routes: plan --all compares each with its Route")

    def _rehearse(self, *, is_there: bool) -> None:
        """Make the application, and run the jobs for it."""
        if is_there:
            self._not_proven.append("build-and-deploy: the page was there before, and was left as it is")
            self._require_page()
        else:
            with self._step("build-and-deploy builds the page, and it runs"):
                build_and_deploy(self.build, self.cluster, self.tools, self.log.of_job("build-and-deploy"))
        route = self._make_application()
        if self.settings.probes:
            self._see(route)
            self._measure(route)
        else:
            self._not_proven.append("what users meet, and the router's reload interval: PROBES=false")
        with self._step("export-route writes the Route's template"):
            template = self._export()
        for number, (strategy, subpath) in enumerate(ROUNDS, start=1):
            self.helm.keeps = is_there or number < len(ROUNDS)
            self._round(strategy, subpath, route, template)

    def _require_page(self) -> None:
        with self.log.check("the page that is there runs"):
            if PAGE not in ready_services(self.cluster.select("endpointslices", {SERVICE_LABEL: PAGE})):
                why = why_page_does_not_run(self.cluster) or "the cluster does not say why"
                raise MaintenanceError(f"The page is there, and does not run: {why}.", "Run the job build-and-deploy.")

    def _make_application(self) -> Object:
        cluster = self.cluster
        with self.log.phase("Make the application"), self._step("an application can be made, and runs"):
            page = cluster.get("deployments", PAGE)
            if page is None:
                raise MaintenanceError("Somebody deleted the page meanwhile.", run_again=True)
            host, timeout = self.settings.rehearsal_host, self.build.rollout_timeout
            make_application(cluster, self.run_id, page, host, timeout=timeout, say=self.log.say)
            route = cluster.get("routes", self._name)
            if route is None:
                raise MaintenanceError("Somebody deleted the rehearsal's Route.", run_again=True)
            return route

    def _see(self, route: Object) -> None:
        """Wait until a request from here reaches the application, and say what users meet on their way."""
        probe, log = self._probe(route), self.log
        with log.phase("Look at the application as users do"), self._step("requests from here reach the application"):
            timeout = drain_time(self.settings.router_reload_interval) + self.settings.admission_timeout

            def seen() -> bool | None:
                return self._is_ours(probe.ask().mark) or None

            if not wait_for(seen, timeout=timeout, say=log.say, subject=f"{probe.url} to be answered"):
                serving_routers(self.cluster.get("routes", self._name) or route)  # or why no router serves it
                raise MaintenanceError(
                    f"{probe.url} is not answered by the rehearsal's application within {timeout:.0f} s: "
                    f"{summarize(probe.answers[-5:])}.",
                    "PUBLIC_ADDRESS, PUBLIC_CA or REHEARSAL_HOST may help; with PROBES=false nobody asks.",
                )
            met = probe.met_server()
            log.say(f"users of {probe.url} meet {met}")
        log.record.checks.append(Check("what users meet", "passed", f"{probe.url}: {met}"))

    def _measure(self, route: Object) -> None:
        interval = self.settings.router_reload_interval
        with (
            self.log.phase("Measure the router's reload interval"),
            self._step(f"the router follows within ROUTER_RELOAD_INTERVAL ({interval:g} s)"),
        ):
            taken = measure_reloads(self.cluster, self._name, self._probe(route), interval=interval, say=self.log.say)
            if max(taken) > drain_time(interval):
                raise MaintenanceError(
                    f"The router took {max(taken):.1f} s to follow a change of a Route, and ROUTER_RELOAD_INTERVAL is "
                    f"{interval:g}: the page would be removed too early, and users would get 503.",
                    f"Set ROUTER_RELOAD_INTERVAL to {math.ceil(max(taken))} at the least.",
                )
        each = ", ".join(f"{seconds:.1f}" for seconds in taken)
        self.log.record.checks.append(Check("the reload interval, as users feel it", "passed", f"in a row: {each} s"))

    def _export(self) -> TemplateInHand:
        shared = {name: getattr(self.settings, name) for name in TemplatesSettings.model_fields}
        settings = ExportSettings.model_construct(**shared, route_name=self._name)
        return TemplateInHand(export(settings, self.cluster, self.log).text)

    def _round(self, strategy: str, subpath: str | None, route: Object, template: TemplateInHand) -> None:
        """Put the Route, or a path of it, into maintenance and take it out again, while users ask."""
        called = f"path {subpath}" if subpath else strategy
        settings = self.settings.of_job(self._name, strategy, subpath)
        templates = None if subpath else template
        probes = [self._probe(route), self._probe(route, throw_away.SUBPATH)] if settings.probes else []
        crowd = Crowd(probes) if probes else contextlib.nullcontext()

        def begin() -> None:
            with self._step(f"deploy-route ({called})"):
                deploy_route(settings, self.cluster, templates, self.route_template, self.log.of_job("deploy-route"))

        def end() -> None:
            with self._step(f"delete ({called})"):
                delete(settings, self.cluster, templates, self.helm, self.log.of_job("delete"))

        parts: tuple[tuple[str, frozenset[Side], Callable[[], None]], ...] = (
            ("application", APPLICATION, self._hold),
            ("to the page", EITHER_SIDE, begin),
            ("maintenance", PAGE_SIDE, self._hold),
            ("back", EITHER_SIDE, end),
            ("application again", APPLICATION, self._hold),
        )
        try:
            with crowd:
                for name, sides, act in parts:
                    with self._stretch(f"{called}: {name}", sides, subpath):
                        act()
        finally:
            if isinstance(crowd, Crowd):
                self._requests += self._seen_by(crowd)

    def _hold(self) -> None:
        if self.settings.probes:
            time.sleep(HOLD)

    @contextlib.contextmanager
    def _stretch(self, name: str, sides: frozenset[Side], subpath: str | None) -> Iterator[None]:
        """Note in which time who may answer; beside the path that is in maintenance always the application."""
        began = time.monotonic() - self._began
        try:
            yield
        finally:
            if self.settings.probes:
                allowed = {throw_away.SUBPATH: sides, "/": APPLICATION if subpath else sides}
                self._stretches.append(Stretch(name, began, time.monotonic() - self._began, allowed))

    @contextlib.contextmanager
    def _step(self, name: str) -> Iterator[None]:
        """Record how long a step takes, and whether it went well; an error is told with the step's name."""
        began = time.monotonic()
        try:
            with self.log.check(name):
                yield
        except RefusedError:
            raise
        except MaintenanceError as error:
            error.what = f"Not proven: {name}. {error.what}"
            raise
        finally:
            self._seconds[name] = time.monotonic() - began

    def _probe(self, route: Object, path: str | None = None) -> Probe:
        settings, url = self.settings, public_url(route, path)
        return Probe(url, ca=settings.public_ca, address=settings.public_address, mark=throw_away.MARK)

    def _is_ours(self, mark: str) -> bool:
        return mark.startswith(f"{self.run_id} ")

    def _seen_by(self, crowd: Crowd) -> list[Request]:
        seen = []
        for url, answer in crowd.answers:
            stranger = answer.side is Side.APPLICATION and not self._is_ours(answer.mark)
            path = throw_away.SUBPATH if url.endswith(throw_away.SUBPATH) else "/"
            side = Side.UNSEEN if stranger else answer.side
            text = f"{answer.description}, of another application" if stranger else answer.description
            seen.append(Request(answer.at - self._began, path, side, text, answer.status))
        return seen

    def _tell_left(self) -> None:
        if self._left:
            left = f"Of the rehearsal there is still: {'; '.join(self._left)}."
            self.log.outcome.set(f"{left} {UNTOUCHED}", next_step="Rehearse again: it removes that.")
        else:
            self.log.outcome.set(f"All that the rehearsal made is removed. {UNTOUCHED}")

    def _tell(self) -> None:
        """Say what users met, how long each step took, what is proven, and what is not."""
        log = self.log
        if self._requests:
            with log.phase("What users met"):
                for line in request_table(self._stretches, self._requests):
                    log.say(line)
                log.leave_file(PICTURE, picture(self._stretches, self._requests))
        with log.phase("What is proven"):
            for check in log.record.checks:
                took = f", in {self._seconds[check.name]:.1f} s" if check.name in self._seconds else ""
                log.say(f"{check.outcome}: {check.name}{took}{f' ({check.words})' if check.words else ''}")
            for line in self._not_proven:
                log.say(f"not proven: {line}")
                log.record.checks.append(Check(line, "warned", "not proven"))
