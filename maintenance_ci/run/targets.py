"""The Routes, and the paths of them, that a job is about: which they are, and what is done for each of them."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from maintenance_ci.errors import MaintenanceError, RefusedError, SeveralFailedError, TryAgainError, VariableError
from maintenance_ci.log.outcome import listed
from maintenance_ci.names import MANAGED_BY, MANAGED_BY_LABEL
from maintenance_ci.plan.checks import raise_any
from maintenance_ci.plan.page_texts import headers_of, lines_of_texts
from maintenance_ci.plan.route_access import public_url
from maintenance_ci.plan.routes import Routes
from maintenance_ci.plan.selection import names_selected
from maintenance_ci.plan.strategies import SUBPATH
from maintenance_ci.run.concurrently import concurrently
from maintenance_ci.run.observe import observe, require_route

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from maintenance_ci.cluster.openshift import OpenShift
    from maintenance_ci.log.log import JobLog
    from maintenance_ci.log.route_log import RouteLog
    from maintenance_ci.plan.observed import Observed
    from maintenance_ci.plan.steps import Plan
    from maintenance_ci.run.execute import Run
    from maintenance_ci.settings.variables import RouteSettings, RoutesSettings

Result = TypeVar("Result")
One = TypeVar("One", bound="Target")

# Routes for which something is read, or changed, at the same time: the client keeps ten connections.
AT_ONCE = 8


@dataclass(eq=False)
class Target:
    """A Route, or one path of it, that a job is about.

    Attributes:
        settings: the pipeline's variables, for it alone.
        observed: what was read of it.
        log: its part of the job's log.
    """

    settings: RouteSettings
    observed: Observed
    log: RouteLog


@dataclass(eq=False)
class Planned(Target):
    """A target, with what is to be done: ``plan``."""

    plan: Plan


def read_targets(settings: RoutesSettings, cluster: OpenShift, log: JobLog) -> list[Target]:
    """Read the namespace's Routes, and return those that are meant, or the paths of them.

    Raises:
        MaintenanceError: the selector matches no Route, and nothing in maintenance.
    """
    routes = cluster.select("routes")
    names: Sequence[str] = settings.route_names
    if settings.route_selector:
        matching = cluster.select("routes", settings.route_selector)
        snapshots = cluster.select("secrets", {MANAGED_BY_LABEL: MANAGED_BY})
        names = names_selected(settings.route_selector, matching, routes, snapshots)
        if not names:
            raise MaintenanceError(
                f"No Route of namespace {settings.project} has the labels that ROUTE_SELECTOR asks for "
                f"({settings.route_selector}), and nothing in maintenance had them.",
                f"Check ROUTE_SELECTOR and PROJECT: oc get routes -n {settings.project} --show-labels.",
            )
    each = [settings.of(name, subpath) for name in names for subpath in settings.subpaths or (None,)]
    logs = log.of_routes([f"{one.route_name}{one.subpath or ''}" for one in each])
    for one, its_log in zip(each, logs, strict=True):
        row = its_log.row
        row.route, row.subpath = one.route_name, one.subpath
        row.strategy = SUBPATH if one.subpath else one.route_strategy
    live = Routes(routes)
    return [Target(one, observe(one, live), its_log) for one, its_log in zip(each, logs, strict=True)]


def require_routes(targets: Sequence[Target]) -> None:
    """Say on which address users meet each target.

    Raises:
        MaintenanceError: a Route is not there, nor what stands for it; a `RefusedError` where several are not.
    """

    def tell(target: Target) -> None:
        target.log.row.url = public_url(require_route(target.observed), target.settings.subpath)
        target.log.say(target.log.row.url)

    for_each(targets, tell)


def title_of_targets(settings: RoutesSettings) -> str:
    """Return how a heading calls the Routes that are meant."""
    if settings.route_selector:
        return f"the Routes with {settings.route_selector}"
    names = settings.route_names
    return f"Route {names[0]}" if len(names) == 1 else f"{len(names)} Routes"


def plan_each(
    targets: Sequence[Target], observe_more: Callable[[RouteSettings, Observed], tuple[Observed, Plan]]
) -> list[Planned]:
    """Read what each plan needs, and return the targets with their plans; raises as `for_each`."""

    def planned(target: Target) -> Planned:
        observed, plan = observe_more(target.settings, target.observed)
        target.log.row.strategy = plan.strategy
        return Planned(target.settings, observed, target.log, plan)

    return for_each(targets, planned)


def tell_texts(planned: Sequence[Planned], log: JobLog) -> None:
    """Say what users of the Routes are going to read, once for all who read the same; not the page's own words."""
    alike: dict[tuple[str, ...], list[str]] = {}
    for one in planned:
        shown = next((step.change.route for step in one.plan.steps if step.change.shows_page), None)
        alike.setdefault(tuple(lines_of_texts(headers_of(shown))), []).append(one.log.name)
    for lines, names in alike.items():
        of = f" of {listed(names)}" if len(alike) > 1 else ""
        for number, line in enumerate(lines):
            log.say(f"on the page{of}: {line}" if number == 0 else line)


def for_each(targets: Sequence[One], do: Callable[[One], Result]) -> list[Result]:
    """Do the same for each target, some at a time, and return what comes of it, in their order.

    Raises:
        TryAgainError: a server is away for one of them.
        VariableError: a variable is wrong for one of them.
        MaintenanceError: what refuses the only target.
        RefusedError: what refuses several, each with its name.
    """
    if len(targets) == 1:
        return [do(targets[0])]
    futures = concurrently([partial(do, target) for target in targets], at_once=AT_ONCE)
    refused: list[tuple[RouteLog, MaintenanceError]] = []
    for target, future in zip(targets, futures, strict=True):
        error = future.exception()
        if isinstance(error, MaintenanceError) and not isinstance(error, (TryAgainError, VariableError)):
            refused.append((target.log, error))
        elif error:
            raise error
    raise_refusals(refused)
    return [future.result() for future in futures]


def raise_refusals(refused: Sequence[tuple[RouteLog, MaintenanceError]]) -> None:
    """Raise what was refused: the only `MaintenanceError` as it is, several as one `RefusedError`."""
    raise_any(named(refused))


def require_success(runs: Sequence[Run], refused: Sequence[tuple[RouteLog, MaintenanceError]] = ()) -> None:
    """Raise what has failed, and what was ``refused`` for other Routes of the job before.

    Raises:
        SeveralFailedError: some of several Routes failed.
        BaseException: what the only Route failed with, or a fault of ours.
    """
    failed = list(refused)
    for run in runs:
        if isinstance(run.error, MaintenanceError):
            failed.append((run.log, run.error))
        elif run.error:
            raise run.error
    logs = list(dict.fromkeys(log for log, _ in failed))
    number = len({run.log for run in runs}.union(logs))
    if number == 1 and failed:
        raise failed[0][1]
    if failed:
        names = listed([log.name for log in logs])
        raise SeveralFailedError(f"{len(logs)} of {number} Routes failed: {names}.", named(failed))


def named(errors: Iterable[tuple[RouteLog, MaintenanceError]]) -> list[MaintenanceError]:
    """Return the errors, each with the names of the Routes that it is about; unchanged where there is only one Route.

    What is wrong for several of them in the same words is one error.
    """
    alike: dict[tuple[str, str], tuple[MaintenanceError, list[RouteLog]]] = {}
    for log, error in errors:
        for one in error.errors if isinstance(error, RefusedError) else [error]:
            alike.setdefault((one.what, one.next_step), (one, []))[1].append(log)
    result = []
    for error, logs in alike.values():
        error = copy.copy(error)  # several Routes may share one that was read once
        error.what = names_before(error.what, logs)
        result.append(error)
    return result


def names_before(text: str, logs: Sequence[RouteLog]) -> str:
    """Return what is said of some Routes, with their names where the job is about several."""
    return text if logs[0].alone else f"{listed([log.name for log in logs])}: {text}"
