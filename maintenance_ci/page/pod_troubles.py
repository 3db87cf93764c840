"""Why a Pod does not run, or is not even made, and what to do about it: pure.

The reasons are those of the kubelet and the scheduler, the messages those of Kubernetes' admission plugins
ResourceQuota and LimitRanger. Which of them are `lasting`, and why, is tabulated in docs/design.md.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

# Seconds for which a trouble that is not expected to pass must stand before the job ends for it: controllers try again
# within a second at first, and a Pod of ours that ends gives its share of a quota back.
SETTLED = 5.0
# A container waits for somebody to change its Pod, its image or the namespace.
LASTING = frozenset({"CreateContainerConfigError", "CreateContainerError", "ErrImageNeverPull", "InvalidImageName"})
# The reason of a container while its Pod's init containers are at work: those say more.
ITS_TURN = "PodInitializing"
# After so many crashes of the same image with the same configuration nothing else is expected of it.
CRASHES = 3
# "maximum memory usage per Container is 16Mi, but limit is 24Mi." (LimitRanger)
LIMIT_RANGE = re.compile(
    r"(?P<bound>minimum|maximum) (?P<name>cpu|memory|ephemeral-storage) usage per \w+ is "
    r"(?P<amount>[0-9]+(\.[0-9]+)?[A-Za-z]*)"
)
# "memory max limit to request ratio per Container is 1, but provided ratio is 2.000000." (LimitRanger)
RATIO = re.compile(r"(?P<name>cpu|memory|ephemeral-storage) max limit to request ratio per")
# "failed quota: compute: must specify limits.cpu for: page; requests.cpu for: page" (ResourceQuota), from Kubernetes
# 1.24 on with "for:", before it "limits.cpu,requests.cpu".
UNNAMED = re.compile(r"failed quota: (?P<quota>\S+): must specify (?P<names>.*)")
# "exceeded quota: compute, requested: limits.memory=24Mi, used: limits.memory=1Gi, limited: limits.memory=1Gi"
EXCEEDED = re.compile(r"exceeded quota: (?P<quota>[^\s,]+), requested: (?P<names>.*?), used: ")
MORE_MEMORY = "Give the page more memory: PAGE_RESOURCES=limits.memory=64Mi; then run the job again."
NAME = re.compile(r"(?:(?:requests|limits)\.)?(?:cpu|memory|ephemeral-storage)")


@dataclass(frozen=True, order=True)
class Trouble:
    """What keeps a Pod, or a Build, from running.

    Attributes:
        message: Kubernetes' own; empty for nothing that is known.
        lasting: it is not expected to pass by itself.
        advice: what to do about it, where that is known.
    """

    message: str
    lasting: bool = False
    advice: str = field(default="", compare=False)


def pod_troubles(pod: Mapping[str, Any]) -> Iterator[Trouble]:
    """Yield why a Pod does not run: that it ended, that no node takes it, or what its containers wait for."""
    status = pod.get("status") or {}
    if status.get("phase") == "Failed":  # evicted, or not admitted by its node: it stays, and another takes its place
        yield Trouble(reason_and_message(status.get("reason") or "Failed", status.get("message")))
        return
    for condition in status.get("conditions") or []:
        if condition.get("type") == "PodScheduled" and condition.get("status") == "False":
            yield Trouble(reason_and_message(condition.get("reason"), condition.get("message")))
    for container in (*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])):
        ended = (container.get("lastState") or {}).get("terminated")
        waiting = (container.get("state") or {}).get("waiting") or {}
        if container.get("ready"):
            continue
        if ended or waiting.get("reason") == "CrashLoopBackOff":
            yield _crash(ended or {}, waiting, int(container.get("restartCount") or 0))
        elif waiting and waiting.get("reason") != ITS_TURN:
            reason = waiting.get("reason") or "waiting"
            yield _of_container(reason_and_message(reason, waiting.get("message")), lasting=reason in LASTING)


def _crash(ended: Mapping[str, Any], waiting: Mapping[str, Any], restarts: int) -> Trouble:
    """Return how a container ended that is started again, or will be in a moment."""
    last = f"{ended.get('reason') or 'Error'}, exit code {ended.get('exitCode')}" if ended else ""
    text = reason_and_message(last, ended.get("message")) or waiting.get("message")
    return _of_container(reason_and_message("CrashLoopBackOff", text), lasting=restarts >= CRASHES)


def _of_container(message: str, *, lasting: bool) -> Trouble:
    # The second is what CRI-O says of a limit with which no container starts.
    out_of_memory = "OOMKilled" in message or "memory limit" in message
    return Trouble(message, lasting, MORE_MEMORY if out_of_memory else "")


def reason_and_message(reason: object, message: object) -> str:
    """Return a reason and a message, as far as they are there, in one line."""
    return ": ".join(" ".join(str(part).split()) for part in (reason, message) if part)


def may_get_room(message: str, pods: Iterable[Mapping[str, Any]]) -> bool:
    """Tell whether a Pod is refused only until another one is gone, which ends, and still has its share of a quota."""
    return bool(EXCEEDED.search(message)) and any("deletionTimestamp" in pod["metadata"] for pod in pods)


def refusal_advice(message: str, variable: str) -> str:
    """Return what to do about a Pod that a quota or a LimitRange refuses, as Kubernetes' ``message`` says.

    ``variable`` is the job's variable with the Pod's resources.
    """
    return f"{_correction(message, variable)}; then run the job again."


def _correction(message: str, variable: str) -> str:
    if bounds := list(LIMIT_RANGE.finditer(message)):
        return f"Set {variable}={','.join(dict.fromkeys(part for bound in bounds for part in _inside(bound)))}"
    if ratio := RATIO.search(message):
        return f"Bring requests.{ratio['name']} and limits.{ratio['name']} closer together in {variable}"
    if unnamed := UNNAMED.search(message):
        names = dict.fromkeys(NAME.findall(unnamed["names"]))
        return f"Set {variable} with {' and '.join(map(_full, names))}: the quota {unnamed['quota']} asks for it"
    if exceeded := EXCEEDED.search(message):
        smaller = f" or less in {variable}" if NAME.search(exceeded["names"]) else ""
        quota = f"the quota {exceeded['quota']}"
        return f"End what else uses {quota}, set PAGE_REPLICAS=1{smaller}, or let an administrator raise it"
    return "Correct what it names, or ask an administrator"


def _inside(bound: re.Match[str]) -> list[str]:
    """Return the request and the limit that lie within a bound of a LimitRange.

    Of a processor's time a request as large as the largest limit would be kept from others for nothing.
    """
    alone = (bound["bound"], bound["name"]) == ("maximum", "cpu")
    return [f"{kind}.{bound['name']}={bound['amount']}" for kind in (("limits",) if alone else ("requests", "limits"))]


def _full(name: str) -> str:
    """Return the name with its kind: a quota's plain ``cpu`` is the request."""
    return name if "." in name else f"requests.{name}"
