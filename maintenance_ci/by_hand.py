"""The commands by which a person ends a maintenance where the job cannot be run: pure. They need ``oc``, and not us."""

from __future__ import annotations

from typing import TYPE_CHECKING

from maintenance_ci.snapshot import KEY, snapshot_name

if TYPE_CHECKING:
    from maintenance_ci.situation import Situation


def commands_to_end(namespace: str, found: Situation, *, repointed: bool, kept: bool = True) -> list[str]:
    """Return the commands that end a maintenance: the original back first, then ours away.

    Args:
        namespace: of the Route.
        found: which Route it is, or which path of it.
        repointed: the original itself shows the page.
        kept: there is a snapshot; otherwise the Route's manifest must come from elsewhere.
    """
    where = f"-n {namespace}"
    delete_ours = f"oc delete route {found.ours} {where} --ignore-not-found"
    if found.subpath:
        return [delete_ours]
    snapshot = snapshot_name(found.route_name)
    # Not a plain apply: it would leave a note on the Route, the certificate's key in it.
    verb = "oc replace" if repointed else "oc apply --server-side --force-conflicts"
    commands = [f"{verb} {where} -f {found.route_name}.yaml  # as you have it"]
    if kept:
        commands = [f"oc extract secret/{snapshot} {where} --to=- --keys={KEY} | {verb} {where} -f -"]
    if not repointed:
        commands.append(delete_ours)
    return [*commands, *commands_to_forget(namespace, found)] if kept else commands


def commands_to_forget(namespace: str, found: Situation) -> list[str]:
    """Return the command that removes what an ended maintenance may have left."""
    return [f"oc delete secret {snapshot_name(found.route_name)} -n {namespace}"]
