"""Where the rehearsal's jobs run: a checkout, a PATH with Helm, a pipeline's variables."""

from __future__ import annotations

import asyncio
import shlex
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from maintenance_ci.errors import VariableError
from maintenance_ci.rehearsal.tools import helm_path
from maintenance_ci.settings.folders import find
from maintenance_ci.settings.variables import BuildAndDeploySettings, RoutesSettings, variables_read

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

# What makes a folder a chart, a page, Route templates.
NEEDED = {"chart": "Chart.yaml", "docker": "Dockerfile", "templates": "maintenance-route.yaml.j2"}
# Where it lies in a checkout, if not under its option's name.
PLACES = {"templates": "route-templates"}


# What leads Helm, kubectl and the jobs to another place than the rehearsal's, or keeps jobs from working.
PROXIES = frozenset(f"{kind}_proxy" for kind in ("http", "https", "all", "no"))
ELSEWHERE = frozenset(
    {"PLAN_ONLY", "GIT_STRATEGY", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"}
    | PROXIES
    | {name.upper() for name in PROXIES}
)
# Prints the names of what Helm reads, whatever its version.
HELM_NAMES = "$(env | sed -n 's/^\\(HELM_[A-Za-z0-9_]*\\)=.*/\\1/p')"


@dataclass(frozen=True)
class Workplace:
    """A job's working folder and environment.

    Attributes:
        folder: what GitLab would have checked out.
        environment: PATH, HOME, TMPDIR, LANG, each a folder of the workplace's or fixed, and the pipeline's variables;
            nothing of the caller's.
    """

    folder: Path
    environment: Mapping[str, str]

    def for_a_shell(self, kubeconfig: Path) -> str:
        """Return what a person's shell reads to run jobs by hand, and Helm and kubectl by ``kubeconfig``.

        Whatever that shell holds for real clusters goes.
        """
        own = {name: value for name, value in self.environment.items() if name not in ("HOME", "LANG", "PATH")}
        own["KUBECONFIG"] = str(kubeconfig)
        return "\n".join(
            (
                f"unset {' '.join(sorted(ELSEWHERE | _job_variables() - own.keys()))} {HELM_NAMES}",
                *(f"export {name}={shlex.quote(value)}" for name, value in own.items()),
                f'export PATH={shlex.quote(self.environment["PATH"])}:"$PATH"\n',
            )
        )

    async def run(
        self,
        job: str,
        *,
        say: Callable[[str], None],
        started: Callable[[int], None] = lambda _group: None,
        **variables: str,
    ) -> int:
        """Run ``maintenance-ci JOB`` as a process of its own, hand its log to ``say``, and return its exit code.

        ``started`` is told its process group. A job that is cut short (the rehearsal is cancelled) gets the SIGTERM
        that GitLab sends.
        """
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "maintenance_ci",
            job,
            cwd=self.folder,
            env={**self.environment, **variables},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            process_group=0,  # a Ctrl-C in the terminal is ours to answer
        )
        started(child.pid)
        assert child.stdout is not None
        try:
            await _hand_over(child.stdout, say)
            return await child.wait()
        finally:
            if child.returncode is None:
                child.terminate()
                await _hand_over(child.stdout, say)  # what it puts back
                await child.wait()


def _job_variables() -> frozenset[str]:
    """Return the names of the variables that jobs read."""
    return variables_read(BuildAndDeploySettings, RoutesSettings)


async def _hand_over(log: asyncio.StreamReader, say: Callable[[str], None]) -> None:
    async for line in log:
        say(line.decode(errors="replace").rstrip())


def prepare(
    folder: Path,
    variables: Mapping[str, str],
    *,
    chart: Path | None = None,
    docker: Path | None = None,
    templates: Path | None = None,
    oc: Path | None = None,
) -> Workplace:
    """Set up ``folder`` for jobs, with one's own chart, page or Route templates where given.

    A job finds what it calls, and nothing else of this machine's: Helm, and ``oc`` where one is given.

    Raises:
        VariableError: a folder of one's own is none.
        ToolMissingError: there is no Helm, and none can be had.
    """
    work, tools, temporary, home = (folder / name for name in ("checkout", "tools", "tmp", "home"))
    for made in (work, tools, temporary, home):
        made.mkdir()
    for option, own in (("chart", chart), ("docker", docker), ("templates", templates)):
        if own and not (own / NEEDED[option]).is_file():
            raise VariableError([f"--{option}: There is no {own / NEEDED[option]}"])
        name = PLACES.get(option, option)
        (work / name).symlink_to((own or find(name)).resolve())
    (tools / "helm").symlink_to(helm_path())
    if oc:
        (tools / "oc").symlink_to(oc)
    # -E: no PYTHON* of the caller's. Without UTF-8 Python does not find a package below a folder with an é.
    run = f'export LC_ALL=C.UTF-8\nexec {shlex.quote(sys.executable)} -E -m maintenance_ci "$@"'
    (tools / "maintenance-ci").write_text(f"#!/bin/sh\n{run}\n", encoding="utf-8")
    (tools / "maintenance-ci").chmod(0o755)
    # What a job that is killed leaves goes with its workplace.
    fixed = {"PATH": tools, "HOME": home, "TMPDIR": temporary, "LANG": "C.UTF-8"}
    return Workplace(work, {name: str(value) for name, value in fixed.items()} | dict(variables))
