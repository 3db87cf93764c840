"""The commands by which a person ends a maintenance where the job cannot be run: pure. They need ``oc``, and not us.

They are typed, or pasted, in a shell, all at once: what takes something away comes only after what puts it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.names import MANAGED_BY, PAGE, snapshot_name
from maintenance_ci.plan.snapshot import KEY

if TYPE_CHECKING:
    from maintenance_ci.plan.situation import Situation

# A comment, for a shell: the snapshot goes when its copy has proven good.
WHEN_BACK = "# when users reach the application:"
# Another one: several Routes may show the page.
WHEN_UNUSED = "# when no Route of the namespace shows the page:"


def commands_to_end(
    namespace: str, found: Situation, *, repointed: bool, kept: bool = True, instead: bool = False
) -> list[str]:
    """Return the lines that end a maintenance: the original back first, then ours away.

    Args:
        namespace: of the Route.
        found: which Route it is, or which path of it.
        repointed: the original itself shows the page.
        kept: there is a snapshot; otherwise the Route's manifest must come from elsewhere.
        instead: of the job ``delete``, which removes the page, too; an original that is found there is replaced as a
            whole: an apply would leave what others wrote.
    """
    where = f"-n {namespace}"
    delete_ours = f"oc delete route {found.ours} {where} --ignore-not-found"
    page = commands_to_remove_page(namespace) if instead else []
    if found.subpath:
        return [delete_ours, *page]
    snapshot = snapshot_name(found.route_name)
    # Not a plain apply: it would leave a note on the Route, the certificate's key in it. As our field manager, so that
    # what a job of ours wrote there, and the snapshot has not, goes.
    applied = f"oc apply --server-side --force-conflicts --field-manager={MANAGED_BY}"
    verb = "oc replace" if repointed or (instead and found.original) else applied
    put_back = f"{verb} {where} -f {found.route_name}.yaml"
    if kept:
        put_back = f"oc extract secret/{snapshot} {where} --to=- --keys={KEY} | {verb} {where} -f -"
    lines = [put_back] if repointed else [f"{put_back} &&", delete_ours]
    # No apostrophe: not every shell reads comments.
    source = [] if kept else [f"# {found.route_name}.yaml is the manifest of the Route as you have it"]
    return [*source, *lines, *(commands_to_forget(namespace, found) if kept else []), *page]


def commands_to_forget(namespace: str, found: Situation) -> list[str]:
    """Return the command that removes the snapshot of a maintenance that has ended."""
    command = f"oc delete secret {snapshot_name(found.route_name)} -n {namespace} --ignore-not-found"
    return [f"{WHEN_BACK} {command}"]


def commands_to_remove_page(namespace: str) -> list[str]:
    """Return the command that removes the Helm release of the page."""
    return [f"{WHEN_UNUSED} helm uninstall {PAGE} -n {namespace}"]


def commands_to_find_holder(host: str) -> list[str]:
    """Return the command by which an administrator sees which Routes of the cluster claim a host."""
    return [f"oc get routes --all-namespaces | grep -F {host}"]
