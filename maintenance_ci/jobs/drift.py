"""Command ``plan --all``: which templates would not bring back the Route that is there. It changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.errors import ForbiddenError, MaintenanceError, TryAgainError
from maintenance_ci.jobs.restore import render_original
from maintenance_ci.maintenance_route import MANAGED_BY
from maintenance_ci.mirrored_metadata import MANAGED_BY_LABEL
from maintenance_ci.report_files import Check
from maintenance_ci.route_export import original_now
from maintenance_ci.route_template import differences, parse_template, template_path
from maintenance_ci.template_drift import Finding, route_name_of, templates_folder, without_template

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from maintenance_ci.openshift import Object, OpenShift
    from maintenance_ci.report import JobLog
    from maintenance_ci.settings import TemplatesSettings
    from maintenance_ci.template_project import TemplateProject


def plan_all(settings: TemplatesSettings, cluster: OpenShift, templates: TemplateProject, log: JobLog) -> list[Finding]:
    """Hold every template of the project against its Route, or against the snapshot of one in maintenance.

    Raises:
        MaintenanceError: at least one template drifted; each is in the log, and among the record's checks.
    """
    with log.phase(f"Look at the Routes of {settings.project}"):
        routes = {route["metadata"]["name"]: route for route in cluster.select("routes")}
        labels = {MANAGED_BY_LABEL: MANAGED_BY}
        snapshots = {secret["metadata"]["name"]: secret for secret in cluster.select("secrets", labels)}
        log.say(f"{len(routes)} Routes")
    found = []
    with log.phase(f"Hold the templates of {templates.name} against them"):
        for finding in _findings(settings, cluster, templates, routes, snapshots, log):
            found.append(finding)
            _tell(finding, log)
    drifted = [finding.name for finding in found if finding.drifted]
    judged = sum(finding.outcome not in ("elsewhere", "no template") for finding in found)
    if drifted:
        raise MaintenanceError(
            f"{len(drifted)} of {judged} templates would not bring back what is there: {', '.join(drifted)}.",
            "Correct the Route or its template; export-route --commit writes the template anew.",
        )
    log.end(f"Each of {judged} templates would bring back what is there.")
    return found


def _findings(
    settings: TemplatesSettings,
    cluster: OpenShift,
    templates: TemplateProject,
    routes: Mapping[str, Object],
    snapshots: Mapping[str, Object],
    log: JobLog,
) -> Iterator[Finding]:
    judge = _Judge(settings, cluster, routes, snapshots)
    named = set()
    for name, path, text in _templates(settings, templates, routes, log):
        named.add(name)
        yield judge.compare(name, path, text if text is not None else _read(templates, path))
    for name in without_template(routes, named):
        yield Finding(name, "no template", "no template is for it", template_path(settings.route_template_path, name))


def _read(templates: TemplateProject, path: str) -> str | MaintenanceError:
    """Return a template's text, or why it has none: one that is no text is no reason not to look at the others."""
    try:
        return templates.read(path)
    except (TryAgainError, ForbiddenError):
        raise
    except MaintenanceError as error:
        return error


def _templates(
    settings: TemplatesSettings, templates: TemplateProject, routes: Mapping[str, Object], log: JobLog
) -> Iterator[tuple[str, str, str | None]]:
    """Yield a Route's name, its template's path and, where that was read already, the text."""
    pattern = settings.route_template_path
    if templates.lists:
        folder, recursive = templates_folder(pattern)
        for path in templates.paths(folder, recursive=recursive):
            name = route_name_of(pattern, path)
            if name is not None:
                yield name, path, None
        return
    log.warn(
        "a job token cannot list files: only templates of Routes that are there are looked at. "
        "ROUTE_TEMPLATES_TOKEN with the scope read_api shows the others, too"
    )
    for name in without_template(routes, ()):
        path = template_path(pattern, name)
        text = templates.read_if_there(path)
        if text is not None:
            yield name, path, text


class _Judge:
    """Says of one template after the other whether it would bring back what is there."""

    def __init__(
        self,
        settings: TemplatesSettings,
        cluster: OpenShift,
        routes: Mapping[str, Object],
        snapshots: Mapping[str, Object],
    ) -> None:
        self._settings, self._cluster = settings, cluster
        self._routes, self._snapshots = routes, snapshots

    def compare(self, name: str, path: str, text: str | MaintenanceError) -> Finding:
        """Compare one template with its Route, as ``deploy-route`` would."""
        try:
            if isinstance(text, MaintenanceError):
                raise text
            ...
        except (TryAgainError, ForbiddenError):
            raise
        except MaintenanceError as error:
            return Finding(name, "not right", error.what, path)


def _tell(finding: Finding, log: JobLog) -> None:
    log.say(f"{finding.name} ({finding.path}): {finding.outcome}{f': {finding.words}' if finding.words else ''}")
    log.record.checks.append(
        Check(
            f"The template {finding.path} brings back Route {finding.name}",
            "refused" if finding.drifted else "warned" if finding.outcome == "no template" else "passed",
            finding.words,
        )
    )
