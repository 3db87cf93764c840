"""What the README and docs/pipeline.md say of the pipeline: its variables, its inputs, the examples."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
import yaml

from maintenance_ci import __version__
from maintenance_ci.plan.verdicts import drain_time
from maintenance_ci.settings.force import Force
from maintenance_ci.settings.types import (
    MAX_RELOAD,
    MAX_ROUTE_AND_SUBPATH_IN_GITLAB,
    MAX_ROUTE_BESIDE_SUBPATH_IN_GITLAB,
    MAX_SUBPATH_IN_GITLAB,
)
from maintenance_ci.settings.variables import BuildAndDeploySettings, RoutesSettings, read_settings, variables_read
from tests.rehearsal.gitlab_ci.documented import example, tag_command
from tests.tools.gitlab_evaluation import MAX_NAME
from tests.tools.gitlab_jobs import OURS, jobs_of
from tests.tools.gitlab_pipeline import (
    COMPONENT,
    JOBS,
    PIPELINE,
    PLACEHOLDER,
    ROOT,
    component,
    our_pipeline,
    schema_faults,
)
from tests.tools.job_variables import GOOD as JOB_VARIABLES
from tests.tools.readme import README, table


def variables_of(text: str) -> set[str]:
    """The variables that a file refers to, less those that GitLab and the shell give."""
    used = set(re.findall(r"\$\{?([A-Za-z_]\w*)", text))
    return {name for name in used if not name.startswith("CI_") and name not in {"PATH", "PWD"}}


def test_every_variable_is_declared_and_documented() -> None:
    pipeline = our_pipeline()
    declared = set(pipeline["variables"]).union(*(pipeline[name].get("variables", {}) for name in JOBS))
    # By a job's report, and by the rules of the workflow and of the jobs.
    written = {"MAINTENANCE_URL", "MAINTENANCE_NAME", "MAINTENANCE_OF"}
    of_the_project = {"CATALOG_PROJECT"}
    of_the_runner = {"GIT_STRATEGY", "RUNNER_SCRIPT_TIMEOUT"}
    used = variables_of(COMPONENT.read_text() + PIPELINE.read_text())
    assert used - declared == written | of_the_project
    assert declared - table() == of_the_runner
    read = variables_read(BuildAndDeploySettings, RoutesSettings)
    assert (
        declared - read - of_the_runner
        == used - read - written - of_the_project
        == {"MAINTENANCE_CI_IMAGE", "PLAN_ONLY"}
    )


def test_every_input_is_used_and_documented() -> None:
    inputs, jobs = component()
    assert set(PLACEHOLDER.findall(yaml.safe_dump(jobs, width=1000))) == set(inputs)
    rows = re.findall(r"^\| (`[^|]*) \| ([^|]*?) ?\| [^|]* \|$", section("### 2. Six lines"), re.MULTILINE)
    documented = {name: default for names, default in rows for name in re.findall(r"`([\w-]+)`", names)}
    assert set(documented) == set(inputs)
    for name, spec in inputs.items():
        assert spec["description"].endswith(".")
        default = documented[name].strip("`").replace("empty", "")
        stage = name.removesuffix("-stage")
        expected = "the jobs' names" if stage != name else str(spec.get("default", ""))
        assert default == expected


def section(title: str) -> str:
    return (ROOT / "docs/pipeline.md").read_text().split(title)[1].split("\n##")[0]


@pytest.mark.parametrize("name", ["component", "include", "together", "matrix", "inputs"])
def test_the_documented_examples_are_right(name: str, tmp_path: Path) -> None:
    inputs, _ = component()
    includes = 0
    for path, text in example(name).items():
        *_, body = text.split("---\n")
        (tmp_path / path).write_text(body)
        assert schema_faults(tmp_path / path) == ""
        for include in yaml.safe_load(body).get("include", []):
            includes += 1
            assert set(include["inputs"]) <= set(inputs)
            assert {name for name, spec in inputs.items() if "default" not in spec} <= set(include["inputs"])
            assert include.get("ref", include.get("component", "").rpartition("@")[2]) == __version__
            assert include["inputs"]["image"].endswith(f":{__version__}")
    assert includes == 1


def test_the_readme_s_six_lines() -> None:
    (text,) = example("component", "README.md").values()
    assert text == example("component")[".gitlab-ci.yml"]
    assert text.count("\n") <= 6


def test_the_tag_of_the_examples_is_made_before_they_include_it() -> None:
    for document in ("README.md", "docs/pipeline.md"):
        command = tag_command(document)
        assert command == f"git tag {__version__} && git push origin {__version__}"
        text = (ROOT / document).read_text()
        assert text.index(command) < text.index("<!-- example: component -->")
        builds = f"--commit={__version__}"
        assert builds not in text or text.index(command) < text.index(builds)


def test_the_minutes_of_the_jobs_are_documented() -> None:
    minutes = {name: spec["default"] for name, spec in component()[0].items() if name.endswith("-minutes")}
    build = minutes["build-minutes"]
    text = f"A job has {minutes['route-minutes']} minutes, `build-and-deploy` and `rehearse` {build}: more than"
    assert text in (ROOT / "docs/pipeline.md").read_text()


def test_what_needs_more_minutes_is_said_in_all_places() -> None:
    text = " ".join((ROOT / "docs/pipeline.md").read_text().split())
    longer = text.split("With a longer ")[1].split(", give more")[0]
    inputs, _ = component()
    of_inputs = inputs["build-minutes"]["description"] + inputs["route-minutes"]["description"]
    named = set(re.findall(r"[A-Z]+(?:_[A-Z]+)+", longer))
    assert named == set(re.findall(r"[A-Z]+(?:_[A-Z]+)+", of_inputs))
    (row,) = [line for line in README.splitlines() if "more minutes for the job" in line]
    assert named == set(re.findall(r"`(\w+)`", row))


def test_the_longest_route_job_by_default_is_documented() -> None:
    given = RoutesSettings.model_fields
    lease, admission = (given[name].default for name in ("lease_timeout", "admission_timeout"))
    reload = drain_time(MAX_RELOAD)
    longest = lease + 2 * 2 * (admission + reload)
    sum_of_it = f"{lease:g} + 2 x ({admission:g} + {reload:g} + {admission:g} + {reload:g}) = {longest:g} s"
    text = " ".join((ROOT / "docs/pipeline.md").read_text().split())
    assert f"{sum_of_it}, which is {math.ceil(longest / 60)} minutes" in text


def test_the_parent_of_several_clusters_asks_as_the_component_does() -> None:
    form = yaml.safe_load(example("matrix")[".gitlab-ci.yml"])["variables"]
    ours = our_pipeline()["variables"]
    names = {"ACTION", "ROUTE_NAME", "SUBPATH", "ROUTE_SELECTOR", "MAINTENANCE", "IMAGE_TAG", "FORCE", "PLAN_ONLY"}
    assert names <= form.keys()
    for name, asked in form.items():
        assert (asked["value"], asked.get("options")) == (ours[name]["value"], unlike(ours[name].get("options")))
    assert "PROJECT" not in form


def test_the_example_with_inputs_names_each_word_of_force() -> None:
    header, _ = yaml.safe_load_all(example("inputs")[".gitlab-ci.yml"])
    named = set(re.findall(r"\w+", header["spec"]["inputs"]["force"]["description"]))
    assert {word.value for word in Force} <= named


def test_the_environments_of_several_routes_are_documented() -> None:
    rows = re.findall(
        r"^\| (`\w+` = .*?) \| .* \| `(.*?)` \|$", section("### Several Routes in one pipeline"), re.MULTILINE
    )
    assert len(rows) == 4
    for variables, environment in rows:
        given = {"PROJECT": "web", **dict(re.findall(r"`(\w+)` = `(.*?)`", variables))}
        assert {job.environment for job in jobs_of(OURS, "web", given).values()} == {environment}
        access = {name: value for name, value in JOB_VARIABLES.items() if name not in ("PROJECT", "ROUTE_NAME")}
        read_settings(RoutesSettings, access | given)
    longest = f"`MAINTENANCE`, of {MAX_ROUTE_AND_SUBPATH_IN_GITLAB} characters at the most"
    assert longest in (ROOT / "docs/pipeline.md").read_text()


def test_the_longest_names_are_documented() -> None:
    text = " ".join((ROOT / "docs/pipeline.md").read_text().split())
    assert f"in GitLab `SUBPATH` may have {MAX_SUBPATH_IN_GITLAB}, and `ROUTE_NAME`" in text
    assert f"{MAX_ROUTE_BESIDE_SUBPATH_IN_GITLAB}, or {MAX_ROUTE_AND_SUBPATH_IN_GITLAB} without a `SUBPATH`" in text
    names = 63 + len("//") + MAX_ROUTE_AND_SUBPATH_IN_GITLAB
    assert f"A prefix that has more than {MAX_NAME - names} characters" in text


def unlike(options: list[str] | None) -> list[str] | None:
    """An input may stand among the options twice."""
    return options and list(dict.fromkeys(options))


def test_the_schedule_for_drift_is_right(tmp_path: Path) -> None:
    """In the environment of `plan`, which a token for the namespace alone reaches."""
    (text,) = example("drift", "docs/templates.md").values()
    (tmp_path / "drift.yml").write_text(text)
    assert schema_faults(tmp_path / "drift.yml") == ""
    (job,) = yaml.safe_load(text).values()
    plan = our_pipeline()["plan"]["environment"]
    assert job["environment"] == {**plan, "name": plan["name"].replace("$PROJECT", job["variables"]["PROJECT"])}
    after = (ROOT / "docs/templates.md").read_text().split("plan --all\n```")[1]
    for name in ("OKD_URL", "OKD_TOKEN", "OKD_CA", "ROUTE_TEMPLATES_PROJECT"):
        assert f"`{name}`" in after
    assert job["image"].endswith(f":{__version__}")


def test_no_token_is_in_a_command_line() -> None:
    commands = re.findall(r"^ *\$ (curl .*(?:\\\n.*)*)", (ROOT / "docs/pipeline.md").read_text(), re.MULTILINE)
    assert len(commands) >= 6
    for command in commands:
        assert command.startswith("curl --config ")
        assert "token" not in command.lower()
