"""Command ``plan --all``: which templates would not bring back the Route that is there. It changes nothing."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from maintenance_ci.errors import ForbiddenError, MaintenanceError, TryAgainError
from maintenance_ci.log.report_files import Check
from maintenance_ci.names import MANAGED_BY, MANAGED_BY_LABEL, ROUTE_ANNOTATION
from maintenance_ci.plan.comparison import differences
from maintenance_ci.plan.marks import annotations_of, by_name
from maintenance_ci.plan.overview import overdue, rows
from maintenance_ci.templates.drift import Finding, route_name_of, templates_folder, without_template
from maintenance_ci.templates.export import original_now
from maintenance_ci.templates.project import UnfitFileError
from maintenance_ci.templates.restore import rendered_route
from maintenance_ci.templates.route import ElsewhereError, template_path, with_host

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maintenance_ci.cluster.openshift import Object, OpenShift
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.settings.variables import TemplatesSettings
    from maintenance_ci.templates.project import TemplateProject

UNLISTED = (
    "a job token lists no files: only the templates of Routes that are there are looked at; "
    "a ROUTE_TEMPLATES_TOKEN with the scope read_api shows the others, too"
)


def plan_all(settings: TemplatesSettings, cluster: OpenShift, templates: TemplateProject, log: JobLog) -> list[Finding]:
    """Hold every template of the project against its Route, or against the snapshot of one in maintenance.

    Raises:
        MaintenanceError: at least one template drifted; each is in the log, and among the record's checks.
    """
    with log.phase(f"Look at the Routes of {settings.project}"):
        routes = by_name(cluster.select("routes"))
        labels = {MANAGED_BY_LABEL: MANAGED_BY}
        snapshots = by_name(cluster.select("secrets", labels))
        log.say(f"{len(routes)} Routes")
        now = datetime.now(UTC)
        for line in overdue(rows(routes.values(), snapshots.values(), page_ready=True, now=now), now):
            log.warn(line)
    there, findings = _Namespace(settings, cluster, routes, snapshots), []
    with log.phase(f"Compare the templates of {templates.name} with them"):
        if not templates.can_list:
            log.warn(UNLISTED)
        for finding in _findings(there, templates):
            findings.append(finding)
            _tell(finding, log)
    drifted = [finding.name for finding in findings if finding.drifted]
    judged = sum(finding.outcome not in ("elsewhere", "no template") for finding in findings)
    if drifted:
        raise MaintenanceError(
            f"{len(drifted)} of {judged} templates would not bring back what is there: {', '.join(drifted)}.",
            "Correct the Route or its template; export-route --commit writes the template anew.",
        )
    log.end(f"Each of {judged} templates would bring back what is there.")
    return findings


@dataclass(frozen=True)
class _Namespace:
    """What is there: Routes and our snapshots, by name."""

    settings: TemplatesSettings
    cluster: OpenShift
    routes: Mapping[str, Object]
    snapshots: Mapping[str, Object]

    def names(self) -> list[str]:
        """Return the names of all Routes that may have a template, those that are swapped among them."""
        in_maintenance = {annotations_of(secret).get(ROUTE_ANNOTATION, "") for secret in self.snapshots.values()}
        return sorted(in_maintenance.union(without_template(self.routes, ())) - {""})

    def judge(self, name: str, path: str, templates: TemplateProject) -> Finding | None:
        """Hold one template against its Route, as ``deploy-route`` does; None where there is no template."""
        try:
            text = templates.read_if_there(path)
        except UnfitFileError as error:
            return Finding(name, "not right", error.what, path)
        try:
            return None if text is None else self._compare(name, path, text)
        except (TryAgainError, ForbiddenError):
            raise
        except MaintenanceError as error:
            return Finding(name, "not right", error.what, path)

    def _compare(self, name: str, path: str, text: str) -> Finding:
        namespace = self.settings.project
        try:
            template = rendered_route(self.settings, self.cluster, text, name, foreign_parameters=True)
        except ElsewhereError as error:
            return Finding(name, "elsewhere", f"it is for namespace {', '.join(error.namespaces)}", path)
        route, in_maintenance = original_now(name, self.routes, self.snapshots)
        if route is None:
            return Finding(name, "no Route", f"there is no Route of that name in {namespace}", path)
        origin = "the snapshot" if in_maintenance else "the live Route"
        template = with_host(template, {origin: route})
        unlike = differences(template.route, route)
        notes = ["it is in maintenance: its snapshot was looked at"] if in_maintenance else []
        details = "; ".join([*unlike, *notes, *template.remarks])
        return Finding(name, "differs" if unlike else "same", details, path)


def _findings(there: _Namespace, templates: TemplateProject) -> Iterator[Finding]:
    pattern = there.settings.route_template_path
    named = set()
    for name, path in _places(there, templates):
        if finding := there.judge(name, path, templates):
            named.add(name)
            yield finding
    for name in without_template(there.routes, named):
        yield Finding(name, "no template", "there is no template for it", template_path(pattern, name))


def _places(there: _Namespace, templates: TemplateProject) -> list[tuple[str, str]]:
    """Return the names of Routes, with the paths at which their templates are, or may be."""
    pattern = there.settings.route_template_path
    if not templates.can_list:
        return [(name, template_path(pattern, name)) for name in there.names()]
    folder, recursive = templates_folder(pattern)
    places = [(route_name_of(pattern, path), path) for path in templates.paths(folder, recursive=recursive)]
    return [(name, path) for name, path in places if name is not None]


def _tell(finding: Finding, log: JobLog) -> None:
    log.say(f"{finding.name} ({finding.path}): {finding.outcome}{f': {finding.details}' if finding.details else ''}")
    log.record.checks.append(
        Check(
            f"The template {finding.path} brings back Route {finding.name}",
            "refused" if finding.drifted else "warned" if finding.outcome == "no template" else "passed",
            finding.details,
        )
    )
