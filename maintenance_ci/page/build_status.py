"""What a Build waits for before it begins, and why it failed: pure.

Phases, reasons and messages are those of OpenShift's build controller (openshift/openshift-controller-manager,
pkg/build/controller/build) and of its builder (openshift/builder, pkg/build/builder).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from maintenance_ci.page.pod_troubles import Trouble, pod_troubles, reason_and_message, refusal_advice
from maintenance_ci.plan.marks import Object, annotations_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping, Sequence

CONFIG_LABEL = "openshift.io/build-config.name"
POD_LABEL = "openshift.io/build.name"
NUMBER = "openshift.io/build.number"
WAITING, ENDED = frozenset({"New", "Pending"}), frozenset({"Complete", "Failed", "Error", "Cancelled"})
# Characters of a build's log that a message repeats.
MAX_OUTPUT = 600
# What to do about a Build that cannot begin, by its reason.
CANNOT_BEGIN = {
    "InvalidImageReference": "Check PAGE_BASE_IMAGE, then run the job again.",
    "PullBuilderImageFailed": "Check PAGE_BASE_IMAGE, then run the job again.",
    "MissingPushSecret": "Create the Secret that DOCKER_REGISTRY needs, then run the job again.",
}
# What the builder's log says of an image that cannot be pulled.
PULLING = re.compile(
    r"pull(ing)? image|pull failed|initializing source docker://|reading manifest|manifest unknown|toomanyrequests"
    r"|pinging (container|docker) registry",
    re.IGNORECASE,
)


def phase(build: Mapping[str, Any]) -> str:
    """Return how far a Build is: New, Pending, Running, Complete, Failed, Error or Cancelled."""
    return str((build.get("status") or {}).get("phase") or "New")


def number(build: Mapping[str, Any]) -> int:
    """Return its number among the builds of its BuildConfig, counted from 1; 0 where it has none."""
    text = str(annotations_of(build).get(NUMBER, ""))
    return int(text) if text.isdecimal() else 0


def pushed_digest(build: Mapping[str, Any]) -> str | None:
    """Return the digest of the image that a Build pushed; None where its registry did not say."""
    pushed = ((build.get("status") or {}).get("output") or {}).get("to") or {}
    return str(pushed.get("imageDigest") or "") or None


def first_new(builds: Iterable[Object], before: Container[str]) -> Object | None:
    """Return the first of the builds whose name was not there before."""
    return min((build for build in builds if build["metadata"]["name"] not in before), key=number, default=None)


def obstacle(
    build: Mapping[str, Any], builds: Iterable[Mapping[str, Any]], pods: Iterable[Mapping[str, Any]], namespace: str
) -> Trouble:
    """Return what a Build that is New or Pending waits for; an empty message for nothing that is known.

    One that has a reason cannot begin. The controller tries on, but what it misses is somebody's to bring: room in a
    quota, an image, a Secret.

    Args:
        build: the Build.
        builds: all Builds of its BuildConfig: they run one after the other.
        pods: the Pod of the Build, or none.
        namespace: that of all of them.
    """
    if why := _why(build):
        advice = CANNOT_BEGIN.get(build["status"].get("reason")) or refusal_advice(why, "BUILD_RESOURCES")
        return Trouble(f"cannot begin: {why}", True, advice)
    earlier = [one for one in builds if number(one) < number(build) and phase(one) not in ENDED]
    if earlier:
        first = min(earlier, key=number)
        state, name = ", ".join(filter(None, (phase(first), _why(first)))), first["metadata"]["name"]
        advice = f"End that one: oc cancel-build {name} -n {namespace}; then run the job again."
        return Trouble(f"waits: build {name} runs before it ({state})", advice=advice)
    troubles = list(dict.fromkeys(trouble for pod in pods for trouble in pod_troubles(pod)))
    if troubles:
        events = f"oc describe pods -l {POD_LABEL}={build['metadata']['name']} -n {namespace}"
        return Trouble(
            f"waits for its Pod: {'; '.join(trouble.message for trouble in troubles)}",
            any(trouble.lasting for trouble in troubles),
            f"Its events say more: {events}; then run the job again.",
        )
    return Trouble("")


def failure(build: Mapping[str, Any], log: Sequence[str], printed: str, namespace: str) -> tuple[str, str]:
    """Return why a Build failed, with the last lines of its log, and what to do.

    Args:
        build: one that has ended, and is not Complete.
        log: the last lines of its log, where they are known; else it is the Build's own snippet, whose lines are cut.
        printed: what is repeated where neither is there.
        namespace: where it is.
    """
    name, status = build["metadata"]["name"], build.get("status") or {}
    lines = [line.strip() for line in log or str(status.get("logSnippet") or printed).splitlines()]
    output = " / ".join(filter(None, lines))[-MAX_OUTPUT:]
    what = f"The build {name} ended as {phase(build)}: {_why(build) or 'no reason given'}"
    what = f"{what.rstrip('.')}." + (f" Its last lines: {output.rstrip('.')}." if output else "")
    return what, f"{_advice(str(status.get('reason')), output)}Its log: oc logs build/{name} -n {namespace}"


def _advice(reason: str, output: str) -> str:
    if reason == "PushImageToRegistryFailed":
        return "Look at where the image is pushed to, and at its Secret. "
    if reason == "PullBuilderImageFailed" or PULLING.search(output):
        return (
            "Name an image that the cluster can pull, or a mirror, in PAGE_BASE_IMAGE, or a Secret to pull with in "
            "PAGE_BASE_PULL_SECRET; then run the job again. "
        )
    if reason == "OutOfMemoryKilled":
        return "Give the build more memory: BUILD_RESOURCES=limits.memory=…. "
    return ""


def _why(build: Mapping[str, Any]) -> str:
    """Return the reason and the message of a Build's status."""
    status = build.get("status") or {}
    return reason_and_message(status.get("reason"), status.get("message"))
