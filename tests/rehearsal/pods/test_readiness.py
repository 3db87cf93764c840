"""Readiness probes on a machine that is busy: what holds this process up is no fault of what it probes."""

from __future__ import annotations

import asyncio
import time

import pytest

from maintenance_ci.rehearsal.pods import readiness
from tests.tools.small_cluster import until

PROBE = {"timeoutSeconds": 0.3, "periodSeconds": 0.01, "failureThreshold": 1}
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
PROBES = 4


@pytest.mark.parametrize(
    ("held_up", "answers", "reported"),
    [(0.0, True, [True]), (0.5, True, [True]), (0.0, False, [])],
    ids=["at once", "this process is held up for longer than the timeout", "it does not answer"],
)
def test_a_probe_that_is_late(held_up: float, answers: bool, reported: list[bool]) -> None:
    async def main() -> list[bool]:
        probes, seen = 0, list[bool]()

        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal probes
            await reader.readuntil(b"\r\n\r\n")
            probes += 1
            time.sleep(held_up)  # noqa: ASYNC251 - that is what it is about
            if answers:
                writer.write(ANSWER)
            await reader.read()  # until the kubelet goes
            writer.close()
            await writer.wait_closed()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        container = {"name": "app", "readinessProbe": PROBE | {"httpGet": {"path": "/", "port": port}}}
        probing = asyncio.create_task(readiness.keep_probing(container, "127.0.0.1", seen.append))
        await until(lambda: probes == PROBES)
        probing.cancel()
        await asyncio.wait([probing])
        server.close()
        await until(lambda: len(asyncio.all_tasks()) == 1)
        return seen

    assert asyncio.run(main()) == reported
