"""A person who types what a job told, as it stands, in a shell."""

from __future__ import annotations

import os
import stat
import subprocess
import sysconfig
from pathlib import Path

from maintenance_ci.by_hand import WHEN_BACK
from tests.rehearsal.conftest import Job
from tests.rehearsal.matrices.stage import Stage

OC = """#!/bin/sh
# Does with kubectl what oc would do.
if [ "$1" = extract ]; then
    for word; do case "$word" in secret/*) name=${word#secret/};; --keys=*) key=${word#--keys=};; esac; done
    test "$3 $5" = "-n --to=-" || exit 9
    kubectl get secret "$name" -n "$4" -o "jsonpath={.data.$(printf %s "$key" | sed 's/[.]/\\\\./g')}" | base64 -d
else
    exec kubectl "$@"
fi
"""


def told_by_hand(done: Job) -> tuple[str, str]:
    """Return what a job told a person to paste into a shell, and what to do when users reach the application."""
    at = next(number for number, line in enumerate(done.lines) if line.startswith("To end the maintenance by hand"))
    lines = []
    for line in done.lines[at + 1 :]:
        if not line.startswith("   "):
            break
        lines.append(line.strip())
    assert lines
    later = [line.removeprefix(WHEN_BACK).strip() for line in lines if line.startswith(WHEN_BACK)]
    return "\n".join(lines), "\n".join(later)


def paste(on: Stage, text: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Paste lines into a shell of somebody who may do everything."""
    (folder / "oc").write_text(OC)
    (folder / "oc").chmod(stat.S_IRWXU)
    search_path = os.pathsep.join([str(folder), sysconfig.get_path("scripts"), os.environ["PATH"]])
    kubeconfig = str(on.cluster.inside.admin_kubeconfig())
    environment = {"PATH": search_path, "KUBECONFIG": kubeconfig, "HOME": str(folder)}
    return subprocess.run(
        ["/bin/bash", "-c", text],
        env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def run_by_hand(on: Stage, done: Job, folder: Path) -> None:
    """Do what a job told: all that it told to paste, then the rest."""
    for text in told_by_hand(done):
        ran = paste(on, text, folder)
        assert ran.returncode == 0, f"{text}\n{ran.stdout}{ran.stderr}"
