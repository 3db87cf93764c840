"""Reads the pipeline as GitLab does: inputs in their places, includes and ``extends`` merged, the schema."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.tools.gitlab_expressions import holds, pattern

ROOT = Path(__file__).parents[2]
PIPELINE = ROOT / ".gitlab-ci.yml"
COMPONENT = ROOT / "templates/maintenance/template.yml"
COMPONENT_TEST = ROOT / ".gitlab/component-test.yml"
CHANGES = ["build-and-deploy", "deploy-route", "delete"]
JOBS = ["plan", "rehearse", *CHANGES]
PLACEHOLDER = re.compile(r"\$\[\[ inputs\.([\w-]+) \]\]")

Configuration = dict[str, Any]


def component() -> tuple[Configuration, Configuration]:
    """The component's inputs, and its jobs with the inputs' places in them."""
    header, jobs = yaml.safe_load_all(COMPONENT.read_text())
    return dict(header["spec"]["inputs"]), dict(jobs)


def filled(value: Any, inputs: Configuration) -> Any:
    """Put the inputs into their places, as GitLab does: one that stands alone keeps its type."""
    if isinstance(value, dict):
        return {filled(key, inputs): filled(item, inputs) for key, item in value.items()}
    if isinstance(value, list):
        return [filled(item, inputs) for item in value]
    if not isinstance(value, str):
        return value
    alone = PLACEHOLDER.fullmatch(value)
    return inputs[alone[1]] if alone else PLACEHOLDER.sub(lambda found: str(inputs[found[1]]), value)


def merged(base: Any, own: Any) -> Any:
    """What GitLab makes of two, by ``include`` and ``extends``: mappings merge at all depths, else the own is taken."""
    if not (isinstance(base, dict) and isinstance(own, dict)):
        return own
    return {**base, **own, **{key: merged(base[key], own[key]) for key in base.keys() & own.keys()}}


def extended(jobs: Configuration) -> Configuration:
    """Put what each job extends into it; what only others extend is left out."""

    def whole(name: str) -> Configuration:
        job = dict(jobs[name])
        base = whole(job.pop("extends")) if "extends" in job else {}
        return dict(merged(base, job))

    bases = {name for name in jobs if name.startswith(".")}
    return {name: whole(name) if name in JOBS else value for name, value in jobs.items() if name not in bases}


def our_pipeline(known: Mapping[str, str] | None = None, /, **given: object) -> Configuration:
    """Our own pipeline, with its includes put into it, and these inputs besides its own."""
    return whole_pipeline(PIPELINE.read_text(), known, **given)


def whole_pipeline(text: str, known: Mapping[str, str] | None = None, /, **given: object) -> Configuration:
    """A project's file, which includes the component, with that put into it, and these inputs besides its own.

    A file with inputs of its own has their defaults, or these.

    Args:
        text: the file.
        known: the variables that GitLab knows before it reads a file: those of the project, and who started what.
        given: the inputs.

    Raises:
        AssertionError: GitLab would refuse an input.
    """
    *header, body = yaml.safe_load_all(text)
    for own in header:
        asked = {name: spec.get("default") for name, spec in own["spec"]["inputs"].items()}
        body = filled(body, asked | given)
    whole: Configuration = {}
    for include in body.pop("include"):
        if not included(include, known or {}):
            continue
        if "inputs" in include:
            part = filled_component(include["inputs"] | ({} if header else given))
        else:
            part = yaml.safe_load((ROOT / include["local"]).read_text())
        whole = merged(whole, part)
    return extended(merged(whole, body))


def included(include: Configuration, known: Mapping[str, str]) -> bool:
    """Whether GitLab includes it: by its rules, where it has some."""
    return "rules" not in include or any(holds(rule["if"], known) for rule in include["rules"])


def filled_component(given: Configuration) -> Configuration:
    """The component's jobs, with these inputs in their places."""
    inputs, jobs = component()
    values = {name: spec.get("default") for name, spec in inputs.items()} | given
    for name, spec in inputs.items():
        assert values[name] in spec.get("options", [values[name]]), f"{name} input: {values[name]} is no option"
        # GitLab's Inputs::StringInput: RE2, without slashes around it; what is blank matches nothing.
        matches = "regex" not in spec or (values[name].strip() and pattern(f"/{spec['regex']}/").search(values[name]))
        assert matches, f"{name} input: provided value does not match required RegEx pattern"
    return dict(filled(jobs, values))


def schema_faults(file: Path) -> str:
    """What GitLab's own schema has against a file, of one document."""
    argv = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.gitlab-ci"]
    done = subprocess.run([*argv, "--data-transform", "gitlab-ci", file], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode else ""
