"""Readiness: the probe of a container is really made, only sooner than on a real node."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import aiohttp

if TYPE_CHECKING:
    from collections.abc import Callable

    from maintenance_ci.rehearsal.apiserver.store import Object

# Seconds: the longest that a rehearsal waits from one probe to the next, until one succeeds.
LONGEST_PAUSE = 0.2
# Into so many parts a probe's timeout is cut: as long as this process itself is held up, on a machine that does much
# else, one part passes at the most. A kubelet is not on the processors of what it probes.
PARTS = 10
USER_AGENT = "kube-probe/1.34"  # the form in which a kubelet names itself


async def keep_probing(container: Object, address: str, report: Callable[[bool], None]) -> None:
    """Probe a running container and ``report`` whenever it becomes ready or ceases to be; cancelled when it ends.

    ``httpGet`` and ``tcpSocket`` are made as written, with their thresholds and timeout; ``initialDelaySeconds``
    and, until it is ready, ``periodSeconds`` are cut to `LONGEST_PAUSE`. Without a probe (or with one of another kind,
    which would need the container's own programs) a container is ready, for good, as soon as its ports accept
    connections.
    """
    probe = container.get("readinessProbe") or {}
    own = "httpGet" in probe or "tcpSocket" in probe
    ready, in_a_row = False, 0
    await asyncio.sleep(min(LONGEST_PAUSE, probe.get("initialDelaySeconds", 0)))
    while own or not ready:
        passed = await _probe(container, probe, address)
        in_a_row = 0 if passed == ready else in_a_row + 1
        if in_a_row >= probe.get("successThreshold" if passed else "failureThreshold", 1 if passed else 3):
            ready, in_a_row = passed, 0
            report(ready)
        period = probe.get("periodSeconds", 10) if own else LONGEST_PAUSE / 10
        await asyncio.sleep(period if ready else min(LONGEST_PAUSE, period))


async def _probe(container: Object, probe: Object, address: str) -> bool:
    attempt = asyncio.create_task(_attempt(container, probe, address))
    try:
        for _ in range(PARTS):
            await asyncio.wait([attempt], timeout=probe.get("timeoutSeconds", 1) / PARTS)
            if attempt.done():
                return attempt.result()
        return False
    finally:
        attempt.cancel()
        await asyncio.wait([attempt])


async def _attempt(container: Object, probe: Object, address: str) -> bool:
    try:
        if "httpGet" in probe:
            return await _get(container, probe["httpGet"], address)
        if "tcpSocket" in probe:
            await _connect(address, _port(container, probe["tcpSocket"]["port"]))
            return True
        for port in container.get("ports", []):
            await _connect(address, port["containerPort"])
    except (OSError, aiohttp.ClientError):
        return False
    return True


async def _get(container: Object, request: Object, address: str) -> bool:
    port = _port(container, request["port"])
    url = f"{request.get('scheme', 'HTTP').lower()}://{request.get('host') or address}:{port}{request.get('path', '/')}"
    headers = {"User-Agent": USER_AGENT} | {one["name"]: one["value"] for one in request.get("httpHeaders", [])}
    # A kubelet does not check the certificate of what it probes, and counts a redirect as success.
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(url, ssl=False, allow_redirects=False) as response,
    ):
        return response.status < 400


async def _connect(address: str, port: int) -> None:
    _, writer = await asyncio.open_connection(address, port)
    writer.close()
    await writer.wait_closed()


def _port(container: Object, port: int | str) -> int:
    """A port's number; a name is looked up in the container, and one that it does not have cannot be reached."""
    if isinstance(port, int) or port.isdigit():
        return int(port)
    return next((int(one["containerPort"]) for one in container.get("ports", []) if one.get("name") == port), 0)
