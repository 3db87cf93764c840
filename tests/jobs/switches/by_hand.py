"""A person who types what a job told, as it stands, in a shell."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterable, Sequence
from pathlib import Path

from maintenance_ci.cluster.kubeconfig import write_kubeconfig
from maintenance_ci.plan.describe import WHEN_BACK
from maintenance_ci.rehearsal.application_manifests import NAMESPACE
from tests.matrices.stage import Stage
from tests.tools import oc_stand_in
from tests.tools.clusters import Job


def told_by_hand(done: Job) -> tuple[str, str]:
    """Return what a job told a person to paste into a shell, and what to do when users reach the application."""
    at = next(number for number, line in enumerate(done.lines) if line.startswith("To end the maintenance by hand"))
    lines = []
    for line in done.lines[at + 1 :]:
        if not line.startswith("   "):
            break
        lines.append(line.strip())
    assert lines
    return texts_of(lines)


def texts_of(commands: Sequence[str]) -> tuple[str, str]:
    """Return what is pasted at once, and what is typed when users reach the application."""
    later = [line.removeprefix(WHEN_BACK).strip() for line in commands if line.startswith(WHEN_BACK)]
    return "\n".join(commands), "\n".join(later)


def paste(on: Stage, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Paste lines into a shell of somebody who has no more than the pipeline's token: the documented Role is enough."""
    search_path = f"{oc_stand_in.install(folder).parent}{os.pathsep}{os.environ['PATH']}"
    inside, private = on.cluster.inside, folder / "kube"
    private.mkdir(exist_ok=True)
    kubeconfig = write_kubeconfig(
        private, url=inside.server.url, token=inside.token, namespace=NAMESPACE, ca=inside.ca_file.read_text()
    )
    environment = {"PATH": search_path, "KUBECONFIG": str(kubeconfig), "HOME": str(folder)}
    return subprocess.run(
        ["/bin/bash", "-c", text],
        env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def run_by_hand(on: Stage, done: Job, folder: Path) -> None:
    """Do what a job told: all that it told to paste, then the rest."""
    paste_all(on, told_by_hand(done), folder)


def paste_all(on: Stage, texts: Iterable[str], folder: Path) -> None:
    """Paste one text after the other; each must succeed."""
    for text in texts:
        ran = paste(on, text, folder)
        assert ran.returncode == 0, f"{text}\n{ran.stdout}{ran.stderr}"
