"""What a change is called in the log, in a plan, and in a shell: pure, one table.

The commands are typed, or pasted, in a shell, all at once: what takes something away comes only after what puts it
back. They need ``oc`` and the snapshot, and not us.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING, NamedTuple

from maintenance_ci.names import MANAGED_BY, PAGE, snapshot_name
from maintenance_ci.plan.marks import by_name
from maintenance_ci.plan.page_route import routes_to
from maintenance_ci.plan.route_access import public_url
from maintenance_ci.plan.snapshot import KEY
from maintenance_ci.plan.steps import Direction, Met, Side, Verb, undo
from maintenance_ci.plan.tester_route import no_longer_needed
from maintenance_ci.plan.verdicts import drain_time

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from maintenance_ci.plan.marks import Object
    from maintenance_ci.plan.observed import Observed
    from maintenance_ci.plan.steps import Change, Plan, Step

# A comment, for a shell: the snapshot goes when its copy has proven good.
WHEN_BACK = "# when users reach the application:"
# Another one: several Routes may show the page.
WHEN_UNUSED = "# when no Route of the namespace shows the page:"
# Not a plain apply: it would leave a note on the Route, the certificate's key in it. As our field manager, so that what
# a job of ours wrote there, and the snapshot has not, goes.
APPLY = f"oc apply --server-side --force-conflicts --field-manager={MANAGED_BY}"


class Description(NamedTuple):
    """How a change is told.

    Attributes:
        title: the heading of the job's log.
        title_of_several: the same for several Routes.
        line: a line of a plan; empty for none.
        awaited: what is waited for while it is tried again, as it goes on after "Waited 60 s in vain for".
    """

    title: str
    title_of_several: str
    line: str
    awaited: str


# By verb, and by whether the Route shows the page.
DESCRIPTIONS: dict[tuple[Verb, bool], Description] = {
    (Verb.KEEP, False): Description(
        "Keep a snapshot of the original",
        "Keep snapshots of {number} originals",
        "keep a snapshot of Route {name} in the Secret {snapshot}",
        "the snapshot to be there",
    ),
    (Verb.FORGET, False): Description(
        "Remove the snapshot", "Remove {number} snapshots", "remove the Secret {snapshot}", "the snapshot to be deleted"
    ),
    (Verb.PLACE, True): Description(
        "Create the maintenance Route {name}",
        "Create {number} maintenance Routes",
        "create Route {name}, which shows the page on {url}",
        "Route {name} to show the page",
    ),
    (Verb.PLACE, False): Description(
        "Put Route {name} back",
        "Put {number} Routes back",
        "create Route {name} again",
        "the original Route to be there",
    ),
    (Verb.REMOVE, True): Description(
        "Delete the maintenance Route {name}",
        "Delete {number} maintenance Routes",
        "delete Route {name}",
        "the maintenance Route to be deleted",
    ),
    (Verb.REMOVE, False): Description(
        "Delete the original Route {name}, which the snapshot keeps",
        "Delete {number} original Routes, which their snapshots keep",
        "delete Route {name}, which leaves its host to {page}",
        "Route {name} to be deleted again",
    ),
    (Verb.REWRITE, True): Description(
        "Send Route {name} to the page",
        "Send {number} Routes to the page",
        "send Route {name} to the page by one patch; its host stays its own",
        "Route {name} to show the page",
    ),
    (Verb.REWRITE, False): Description(
        "Put Route {name} back",
        "Put {number} Routes back",
        "send Route {name} back to the application by one patch",
        "the original Route to be there",
    ),
    (Verb.CERTIFY, False): Description(
        "Give the re-created Route {name} its certificate back",
        "Give {number} re-created Routes their certificates back",
        "give Route {name} the certificate that it lost",
        "the certificate to be restored",
    ),
    (Verb.ANNOTATE, True): Description(
        "Note this pipeline on Route {name}",
        "Note this pipeline on {number} Routes",
        "note this pipeline, the newest, on Route {name}",
        "the pipeline, or the texts, to be noted",
    ),
    (Verb.INFORM, True): Description(
        "Change what users of Route {name} read",
        "Change what users of {number} Routes read",
        "change what users of Route {name} read, by one patch",
        "the pipeline, or the texts, to be noted",
    ),
    (Verb.LEAVE, True): Description(
        "Confirm that users of Route {name} meet the page",
        "Confirm that users of {number} Routes meet the page",
        "",
        "Route {name} to be looked at",
    ),
    (Verb.LEAVE, False): Description(
        "Check that the routers would serve Route {name}",
        "Check that the routers would serve {number} Routes",
        "",
        "Route {name} to be looked at",
    ),
}


def title_of_all(changes: Iterable[Change]) -> str:
    """Return the heading under which changes are made at the same time; those of one kind are counted."""
    kinds: dict[Description, list[Change]] = {}
    for change in changes:
        kinds.setdefault(DESCRIPTIONS[change.verb, change.shows_page], []).append(change)
    return "; ".join(
        kind.title.format(name=alike[0].name) if len(alike) == 1 else kind.title_of_several.format(number=len(alike))
        for kind, alike in kinds.items()
    )


def title_of_wait(step: Step) -> str:
    """Return the heading under which users are waited for."""
    return f"Wait until users meet {'the page' if _leads_to_page(step) else 'the application'}"


def _leads_to_page(step: Step) -> bool:
    return any(isinstance(condition, Met) and condition.side is Side.PAGE for condition in step.until)


def lines_of(plan: Plan, observed: Observed, *, reload_interval: float) -> list[str]:
    """Return what a job would do, a line for each change and each wait for users."""
    lines = []
    for step in plan.steps:
        change = step.change
        if line := DESCRIPTIONS[change.verb, change.shows_page].line:
            url = public_url(change.route, observed.subpath) if change.shows_page and change.route.get("spec") else ""
            names = {"name": change.name, "url": url, "page": observed.page_route_name}
            lines.append(line.format_map(names | {"snapshot": snapshot_name(observed.route_name)}))
        if step.moves_users:
            lines.append(_wait_line(plan, step, reload_interval))
    return lines


def _wait_line(plan: Plan, step: Step, reload_interval: float) -> str:
    if not _leads_to_page(step):
        return "wait until users meet the application"
    undone = "; roll back if they do not" if plan.undoable and plan.direction is Direction.BEGIN else ""
    return f"wait until users meet the page, {drain_time(reload_interval):g} s in a row{undone}"


def line_of_page(ending: Sequence[Observed]) -> str:
    """Return what becomes of the page when these maintenances have ended: it stays for other Routes that show it."""
    users = [route["metadata"]["name"] for route in _showing_page_still(ending)]
    return f"keep the page: {', '.join(users)} shows it" if users else "remove the page"


def no_longer_for_testers(ending: Sequence[Observed]) -> list[str]:
    """Return the names of the testers' Routes that go with these maintenances."""
    routes, ended = ending[0].routes.values(), {one.route_name for one in ending}
    return sorted(by_name(no_longer_needed(ended, routes, _showing_page_still(ending))))


def _showing_page_still(ending: Sequence[Observed]) -> list[Object]:
    """Return the Routes that show the page when these maintenances have ended."""
    leaving = {one.page_route_name for one in ending} | {one.route_name for one in ending if one.subpath is None}
    routes = ending[0].routes
    return [routes[name] for name in routes_to(PAGE, routes.values()) if name not in leaving]


PUTS_BACK = ("oc extract", "oc apply", "oc replace")


def commands_to_end(plan: Plan, observed: Observed, *, snapshot: bool) -> list[str]:
    """Return the commands by which a person ends the maintenance that a plan begins, or is about to end.

    Args:
        plan: one that ends a maintenance, or one whose inverse does.
        observed: what it is about.
        snapshot: there is one; otherwise the Route's manifest must come from elsewhere.
    """
    steps = plan.steps if plan.direction is Direction.END else undo(plan.steps)
    commands = [command for step in steps for command in _commands(step.change, observed, snapshot=snapshot)]
    testers = no_longer_for_testers([observed])
    commands += [f"oc delete route {name} -n {observed.namespace} --ignore-not-found" for name in testers]
    # What takes away comes only after what puts back, also where several lines are pasted at once.
    return [
        f"{command} &&" if command.startswith(PUTS_BACK) and later.startswith("oc delete") else command
        for command, later in zip_longest(commands, commands[1:], fillvalue="")
    ]


def _commands(change: Change, observed: Observed, *, snapshot: bool) -> list[str]:
    where, name = f"-n {observed.namespace}", observed.route_name
    if change.shows_page:
        return [f"oc delete route {change.name} {where} --ignore-not-found"] if change.verb is Verb.REMOVE else []
    if change.verb is Verb.FORGET:
        return commands_to_forget(observed) if snapshot else []
    if change.verb not in (Verb.PLACE, Verb.REWRITE, Verb.CERTIFY):
        return []
    # One that is there is replaced as a whole: an apply would leave what others wrote.
    verb = "oc replace" if change.verb is not Verb.PLACE or observed.is_unserved_restore else APPLY
    if snapshot:
        return [f"oc extract secret/{snapshot_name(name)} {where} --to=- --keys={KEY} | {verb} {where} -f -"]
    # No apostrophe: not every shell reads comments.
    return [f"# {name}.yaml is the manifest of the Route as you have it", f"{verb} {where} -f {name}.yaml"]


def commands_to_forget(observed: Observed) -> list[str]:
    """Return the command that removes the snapshot of a maintenance that has ended."""
    secret = snapshot_name(observed.route_name)
    return [f"{WHEN_BACK} oc delete secret {secret} -n {observed.namespace} --ignore-not-found"]


def commands_to_remove_page(namespace: str) -> list[str]:
    """Return the command that removes the Helm release of the page."""
    return [f"{WHEN_UNUSED} helm uninstall {PAGE} -n {namespace}"]


def commands_to_find_holder(host: str) -> list[str]:
    """Return the command by which an administrator sees which Routes of the cluster claim a host."""
    return [f"oc get routes --all-namespaces | grep -F {host}"]
