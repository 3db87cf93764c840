"""The commands by which a person ends a maintenance where the job cannot be run: pure. They need ``oc``, and not us.

They are typed, or pasted, in a shell, all at once: what takes something away comes only after what puts it back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.maintenance_route import MANAGED_BY
from maintenance_ci.snapshot import KEY, snapshot_name

if TYPE_CHECKING:
    from maintenance_ci.situation import Situation

# A comment, for a shell: the snapshot goes when its copy has proven good.
WHEN_BACK = "# when users reach the application:"


def commands_to_end(
    namespace: str, found: Situation, *, repointed: bool, kept: bool = True, instead: bool = False
) -> list[str]:
    """Return the lines that end a maintenance: the original back first, then ours away.

    Args:
        namespace: of the Route.
        found: which Route it is, or which path of it.
        repointed: the original itself shows the page.
        kept: there is a snapshot; otherwise the Route's manifest must come from elsewhere.
        instead: an original that is found there is replaced as a whole: an apply would leave what others wrote.
    """
    where = f"-n {namespace}"
    delete_ours = f"oc delete route {found.ours} {where} --ignore-not-found"
    if found.subpath:
        return [delete_ours]
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
    forget = [f"{WHEN_BACK} {command}" for command in commands_to_forget(namespace, found)] if kept else []
    return [*source, *lines, *forget]


def commands_to_forget(namespace: str, found: Situation) -> list[str]:
    """Return the command that removes what an ended maintenance may have left."""
    return [f"oc delete secret {snapshot_name(found.route_name)} -n {namespace}"]
