"""How long each command takes to begin, and what a job's imports cost: python -m benchmarks.start_up."""

from __future__ import annotations

import sys

from benchmarks.measuring import ROUNDS, cost_of
from benchmarks.results import Table, arguments, publish

PYTHON = (sys.executable,)
OURS = (*PYTHON, "-m", "maintenance_ci")
JOBS = ("build-and-deploy", "deploy-route", "delete", "plan", "status", "export-route shop")
IMPORTS = {
    "nothing: Python itself": "pass",
    "the variables (pydantic)": "import maintenance_ci.settings.variables",
    "the cluster (kubernetes)": "import maintenance_ci.cluster.openshift",
    "the template project (gitlab)": "import maintenance_ci.templates.project",
    "a whole job": "import maintenance_ci.jobs.delete, maintenance_ci.cluster.openshift, "
    "maintenance_ci.templates.project, maintenance_ci.page.helm, maintenance_ci.run.lease, maintenance_ci.run.probe",
    "a template rendered, by a new child": "from maintenance_ci.templates.rendering import render; "
    "render('{{ 1 }}', {}, name='x')",
    "the rehearsal": "import maintenance_ci.rehearsal.rehearse",
}


def main() -> None:
    """Measure, and print two tables."""
    given = arguments(__doc__).parse_args()
    commands = {"--help": cost_of([*OURS, "--help"])}
    # Without variables a job ends when it has read them: what comes before its first request.
    commands |= {
        f"{job}, without variables": cost_of([*OURS, *job.split()], environment={"PATH": "/usr/bin:/bin"})
        for job in JOBS
    }
    commands["rehearse, with a wrong option"] = cost_of([*OURS, "rehearse", "--picture", "/nowhere/x.png"])
    imports = {name: cost_of([*PYTHON, "-c", code]) for name, code in IMPORTS.items()}
    head = ("processor s", "elapsed s")
    tables = [
        Table(
            title,
            (what, *head),
            [(name, one.processor, one.elapsed) for name, one in costs.items()],
            f"Medians of {ROUNDS} runs.",
        )
        for title, what, costs in (("Until a command begins", "command", commands), ("Importing", "what", imports))
    ]
    publish("Start-up", tables, given)


if __name__ == "__main__":
    main()
