"""What pipeline GitLab makes of a configuration: whether there is one, its name, its jobs, and their names."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.tools.gitlab_expressions import holds
from tests.tools.gitlab_pipeline import Configuration

# GitLab's own (Gitlab::Regex.environment_name_regex): what an environment, and a resource group, may be called.
ENVIRONMENT_NAME = re.compile(r"[\w${}. -]([\w/${}. -]*[\w${}. -])?", re.ASCII)
MAX_NAME = 255
DEFAULT_STAGES = ["build", "test", "deploy"]
ROOT_KEYS = {"stages", "workflow", "variables", "include", "default"}
RULE_KEYS = {"if", "when", "variables", "allow_failure"}


@dataclass(frozen=True)
class Job:
    """A job of a pipeline: when it starts (GitLab's `when`), and the expanded names of what it belongs to.

    Where it may fail, the pipeline stays green then.
    """

    when: str
    environment: str | None = None
    resource_group: str | None = None
    may_fail: bool = False


@dataclass(frozen=True)
class Pipeline:
    """A pipeline's name (empty where it has none), and its jobs."""

    name: str
    jobs: Mapping[str, Job]


def expanded(text: str, variables: Mapping[str, str]) -> str:
    """Put variables into a name, those in their values, too; what is undefined is empty.

    Raises:
        ValueError: a variable's value holds the variable itself.
    """
    before = None
    for _ in range(len(variables) + 2):
        if before == text:
            return text
        before = text
        text = re.sub(r"\$(?:\{(\w+)\}|(\w+))", lambda found: variables.get(found[1] or found[2], ""), text)
    raise ValueError("a variable that holds itself")


def first_rule(rules: list[dict[str, Any]], variables: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the first rule that holds."""
    for rule in rules:
        assert rule.keys() <= RULE_KEYS, f"not modelled: {rule}"
        if "if" not in rule or holds(rule["if"], variables):
            return rule
    return None


def pipeline_of(configuration: Configuration, source: str, given: Mapping[str, str]) -> Pipeline | None:
    """Return the pipeline that GitLab makes, or None where it makes none.

    Args:
        configuration: the project's file, with its include in it.
        source: what starts it (`CI_PIPELINE_SOURCE`).
        given: the variables of the form, the API or the schedule.

    Raises:
        AssertionError: GitLab would refuse the pipeline, or fail a job of it, for its names or its `needs`.
    """
    defaults = {
        name: spec["value"] if isinstance(spec, dict) else spec for name, spec in configuration["variables"].items()
    }
    variables = {**defaults, **given, "CI_PIPELINE_SOURCE": source}
    workflow = configuration.get("workflow", {})
    rule = first_rule(workflow.get("rules", [{}]), variables)
    if rule is None or rule.get("when") == "never":
        return None
    defaults |= rule.get("variables", {})
    given = {**given, "CI_PIPELINE_SOURCE": source}
    variables = {**defaults, **given}
    jobs = {}
    for name in configuration.keys() - ROOT_KEYS:
        if job := _job(configuration[name], defaults, given):
            jobs[name] = job
    title = expanded(workflow.get("name", ""), variables)
    assert len(title) <= MAX_NAME, f"a pipeline's name is too long: {title}"
    for name in jobs:
        missing = set(configuration[name].get("needs", [])) - jobs.keys()
        assert not missing, f"{name} needs {missing}, which are not in the pipeline"
        later = set(configuration[name].get("needs", [])) & jobs_of_stages(configuration, name, operator.gt)
        assert not later, f"{name}: need {later} is not defined in current or prior stages"
    return Pipeline(title, jobs) if jobs else None


def _job(job: Configuration, defaults: Mapping[str, str], given: Mapping[str, str]) -> Job | None:
    """What becomes of a job: its rule's variables go before the file's, and those that are given before both.

    So an environment's name may hold them (GitLab's Seed::Build merges them in, then EnsureEnvironments expands it).
    """
    defaults = {**defaults, **job.get("variables", {})}
    rule = first_rule(job.get("rules", [{}]), {**defaults, **given})
    if rule is None:
        return None
    when = rule.get("when", job.get("when", "on_success"))
    if when == "never":
        return None
    variables = {**defaults, **rule.get("variables", {}), **given}
    environment, group = job.get("environment"), job.get("resource_group")
    names = [expanded(name, variables) if name else None for name in (environment and environment["name"], group)]
    for name in filter(None, names):
        assert len(name) <= MAX_NAME and ENVIRONMENT_NAME.fullmatch(name), f"no environment can be called {name}"
    may_fail = bool(rule.get("allow_failure", job.get("allow_failure", False)))
    return Job(str(when), *names, may_fail=may_fail)


def comes_before(configuration: Configuration, name: str) -> set[str]:
    """The jobs that must be done before this one starts: what it needs, or all of the stages before; and so on."""
    earlier = jobs_of_stages(configuration, name, operator.lt)
    first = set(configuration[name].get("needs", earlier))
    return first.union(*(comes_before(configuration, one) for one in first))


def jobs_of_stages(configuration: Configuration, name: str, compare: Callable[[int, int], bool]) -> set[str]:
    """The jobs whose stage comes before (`operator.lt`) or after (`operator.gt`) that of a job."""
    stages = [".pre", *configuration.get("stages", DEFAULT_STAGES), ".post"]
    of_jobs = {job: configuration[job].get("stage", "test") for job in configuration.keys() - ROOT_KEYS}
    for job, stage in of_jobs.items():
        assert stage in stages, f"{job}: chosen stage {stage} does not exist"
    return {job for job, stage in of_jobs.items() if compare(stages.index(stage), stages.index(of_jobs[name]))}
