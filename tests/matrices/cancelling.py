"""Cancels a job at a chosen moment, as GitLab does when somebody cancels its pipeline."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from maintenance_ci.rehearsal.trouble import Trouble
from tests.matrices.stage import Stage, Variables
from tests.tools.clusters import Job

# When the job is cancelled: by the request that is under way (made already, or held up), or by what its log says.
Moment = Trouble | str


def cancel(
    on: Stage, job: str, variables: Variables, moment: Moment, temporary: Path, number: int = signal.SIGTERM
) -> Job:
    """Run the job as a process of its own, and send it, at that moment, the SIGTERM of a cancelled pipeline."""
    if isinstance(moment, Trouble):
        on.befall(moment)
    done = Job(code=-1)
    processes: list[int] = []

    def due() -> bool:
        if isinstance(moment, Trouble):
            return bool(on.cluster.inside.troubles.met)
        return any(line.startswith(moment) for line in done.lines)

    async def run() -> int:
        work = asyncio.create_task(workplace.run(job, say=done.lines.append, started=processes.append))
        while not due() and not work.done():
            await asyncio.wait([work], timeout=0.01)
        await asyncio.wait([work], timeout=0.1)
        assert not work.done(), f"it ended before it was cancelled:\n{done.log}"
        os.kill(processes[0], number)
        return await work

    workplace = on.cluster.workplace(variables | {"TMPDIR": str(temporary)})
    done.code = on.cluster.do(run())
    on.relieve()
    return on.told(done)
