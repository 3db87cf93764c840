"""docs/first-hour.md, done literally: a fresh clone, an administrator's login, a GitLab project that holds a README."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.rights import User
from maintenance_ci.rehearsal.cluster import TEMPLATE_PROJECT
from maintenance_ci.rehearsal.gitlab import Token
from maintenance_ci.rehearsal.trouble import parse_trouble
from tests.rehearsal.gitlab_ci.ci_project import commit, copy_of_this_project
from tests.rehearsal.gitlab_ci.documented import example
from tests.tools import oc_stand_in
from tests.tools.clusters import QUICK, Cluster, running
from tests.tools.gitlab_evaluation import pipeline_of
from tests.tools.gitlab_pipeline import whole_pipeline
from tests.tools.guide import Done, Step, agrees, steps, typed

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/first-hour.md").read_text()
GITLAB = "https://gitlab.example.test"
WRITES, READS, LIMITED = "glpat-writer", "glpat-reader", "limited"
TOKENS = {
    WRITES: Token(WRITES, frozenset({TEMPLATE_PROJECT})),
    READS: Token(READS, frozenset({TEMPLATE_PROJECT}), scopes=frozenset({"read_api", "read_repository"})),
}


@pytest.fixture(scope="module")
def shared() -> Iterator[Cluster]:
    with running(QUICK) as cluster:
        cluster.inside.gitlab.tokens |= TOKENS
        without_a_template(cluster)
        yield cluster


def machine(cluster: Cluster, home: Path) -> dict[str, str]:
    """What a reader's machine has, and this one lacks: a login, tools, a DNS and CAs that know the cluster's names."""
    tools = home / "tools"
    tools.mkdir(exist_ok=True)
    oc_stand_in.install(tools)
    job = cluster.inside.job_variables()
    return {
        "PATH": os.pathsep.join([str(tools), cluster.workplace().environment["PATH"], "/usr/bin", "/bin"]),
        "HOME": str(home),
        "LANG": "C.UTF-8",
        "KUBECONFIG": str(cluster.call(cluster.inside.admin_kubeconfig)),
        **{name: job[name] for name in ("PUBLIC_ADDRESS", "PUBLIC_CA", "CI_SERVER_TLS_CA_FILE")},
        "ROUTER_RELOAD_INTERVAL": str(cluster.inside.options.reload_interval),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": f"url.file://{home}/server.insteadOf",
        "GIT_CONFIG_VALUE_0": f"{GITLAB}/ops/maintenance-ci.git",
    }


def where_gitlab_is(cluster: Cluster, command: str) -> str:
    """The guide's GitLab is the embedded one; git, which is no part of it, clones from the disk."""
    return command if command.startswith("git ") else command.replace(GITLAB, cluster.inside.gitlab.url)


@pytest.fixture(scope="module")
def hour(shared: Cluster, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Step, Done]]:
    """Each command of the guide, and what came of it."""
    home = tmp_path_factory.mktemp("home")
    (home / "server").mkdir()
    copy_of_this_project(home / "server")
    commit(home / "server", remote="none")
    (home / "gitlab-token").write_text(f"{WRITES}\n")
    guide = steps(GUIDE)
    # What `make setup` makes is there already, and newer than what it is made from.
    scripts = sysconfig.get_path("scripts")
    set_up = f"mkdir .venv && ln -s {scripts} .venv/bin && touch -d tomorrow .venv/installed"
    done = typed(
        [Step(where_gitlab_is(shared, step.command), step.printed) for step in guide],
        home,
        machine(shared, home),
        after={"cd maintenance-ci": set_up},
    )
    return list(zip(guide, done, strict=True))


@pytest.mark.slow
def test_each_command_prints_what_the_guide_says(hour: list[tuple[Step, Done]]) -> None:
    assert len(hour) >= 20
    differ = [(step, done) for step, done in hour if done.code or not agrees(step.printed, done.printed)]
    assert differ == []


@pytest.mark.slow
def test_at_the_end_nothing_is_left_but_the_service_account(hour: list[tuple[Step, Done]], shared: Cluster) -> None:
    assert shared.routes() == {manifests.APPLICATION}
    assert shared.find("deployments", "maintenance-page") is None
    assert shared.find("secrets", "trial-maintenance-snapshot") is None
    assert shared.find("serviceaccounts", "maintenance-ci") is not None
    assert set(shared.inside.gitlab.projects[0].branches["main"]) == {"README.md", "trial.yaml"}


@pytest.mark.slow
def test_a_command_that_prints_something_else_is_noticed(hour: list[tuple[Step, Done]]) -> None:
    """Each line of what each prints counts, but for what the guide leaves open."""
    told = [(step, done) for step, done in hour if step.printed.replace("…", "").strip()]
    assert len(told) >= 12
    for step, done in told:
        lines = step.printed.splitlines()
        for number, line in enumerate(lines):
            if line.replace("…", "").strip():
                spoilt = "\n".join([*lines[:number], f"x{line}", *lines[number + 1 :]])
                assert not agrees(spoilt, done.printed)
    assert not agrees("", "something\n")
    assert agrees("…", "")
    assert agrees("a…c\n…\nd", "abc\n\nb\nd\n")
    assert not agrees("a…c\nd", "abc\nb\nd\n")


def test_no_secret_is_typed() -> None:
    assert not re.search(r"(TOKEN|PASSWORD)=(?!~/)", "\n".join(step.command for step in steps(GUIDE)))


def test_the_pipelines_of_the_guide_have_the_jobs_that_it_names() -> None:
    rows = re.findall(r"^\| (`[A-Z_]+` = [^|]*) \| ([^|]*) \| [^|]* \|$", GUIDE, re.MULTILINE)
    assert len(rows) == 3
    project = whole_pipeline(example("component", "README.md")[".gitlab-ci.yml"])
    for variables, jobs in rows:
        pipeline = pipeline_of(project, "web", dict(re.findall(r"`(\w+)` = `(\w+)`", variables)))
        assert pipeline is not None
        assert set(pipeline.jobs) == set(re.findall(r"`([\w-]+)`", jobs))


# What goes wrong: what is typed, and the variables that are otherwise than after step 6 of the guide.
Trouble = tuple[str, Mapping[str, str | None]]
TROUBLES: dict[str, Trouble] = {
    "The cluster refuses the token (401).": ("status", {"OKD_TOKEN": "an-old-one"}),
    "The certificate of the cluster … cannot be verified": ("status", {"OKD_CA": None}),
    "The cluster … cannot be reached": ("status", {"OKD_URL": "https://api.nowhere.invalid:6443"}),
    "The token lacks a right, or the namespace does not exist": ("status", {"PROJECT": "elsewhere"}),
    "The token lacks rights. It needs": ("plan --page-later", {"OKD_TOKEN": LIMITED}),
    "Route … is not in namespace": ("plan --page-later", {"ROUTE_NAME": "shpo"}),
    "GitLab refuses the token (401).": ("export-route shop --commit", {"ROUTE_TEMPLATES_TOKEN": "an-old-one"}),
    "The scope of ROUTE_TEMPLATES_TOKEN does not reach": (
        "export-route shop --commit",
        {"ROUTE_TEMPLATES_TOKEN": READS},
    ),
    "The branch … is protected": ("export-route shop --commit", {"ROUTE_TEMPLATES_REF": "safe"}),
    "The certificate of GitLab cannot be verified": ("export-route shop --commit", {"CI_SERVER_TLS_CA_FILE": None}),
    "The template … is not there, or the token may not see it (404).": ("plan --page-later", {}),
    "is answered by neither side now (its name does not resolve)": ("plan --page-later", {"PUBLIC_ADDRESS": None}),
    "is answered by neither side now (certificate verify failed": ("plan --page-later", {"PUBLIC_CA": None}),
    "is not answered by the rehearsal's application within": (
        "rehearse --cluster",
        {"PUBLIC_ADDRESS": None, "ADMISSION_TIMEOUT": "2"},
    ),
    "There is no helm on PATH.": ("build-and-deploy", {"PATH": "/usr/bin:/bin"}),
    "Service maintenance-page has no ready endpoint": ("deploy-route", {}),
    "The build maintenance-page-1 ended as Failed": ("build-and-deploy", {}),
    "exceeded quota": ("build-and-deploy", {"ROLLOUT_TIMEOUT": "5"}),
}
# A real API server's check of escalation, which is not here; and what tests/jobs/on_cluster provokes.
NOT_PROVOKED = {
    "attempting to grant RBAC permissions not currently held",
    "The router took … to follow a change of a Route",
}


def without_a_template(cluster: Cluster) -> None:
    cluster.inside.gitlab.projects[0].branches["main"] = {"README.md": b"# Routes\n"}


def with_a_protected_branch(cluster: Cluster) -> None:
    project = cluster.inside.gitlab.projects[0]
    project.branches["safe"], project.protected = {"README.md": b"# Routes\n"}, {"safe"}


def without_a_right(cluster: Cluster) -> None:
    documents = yaml.safe_load_all((ROOT / "docs/service-account.yaml").read_text())
    rules = next(document["rules"] for document in documents if document["kind"] == "Role")
    less = [rule for rule in rules if rule["resources"] != ["routes/custom-host"]]
    assert len(less) < len(rules)
    cluster.inside.server.users[LIMITED] = User(LIMITED, roles={manifests.NAMESPACE: less})


def with_a_build_that_fails(cluster: Cluster) -> None:
    cluster.call(cluster.inside.troubles.add, parse_trouble("POST instantiatebinary: fail-build"))


def with_a_quota(cluster: Cluster) -> None:
    metadata = {"name": "compute", "namespace": manifests.NAMESPACE}
    quota = {"metadata": metadata, "spec": {"hard": {"limits.memory": "1Mi"}}}
    cluster.call(cluster.store.create, "resourcequotas", quota, manager="test")


PREPARED: dict[str, Callable[[Cluster], None]] = {
    "The token lacks rights. It needs": without_a_right,
    "The branch … is protected": with_a_protected_branch,
    "The template … is not there, or the token may not see it (404).": without_a_template,
    "The build maintenance-page-1 ended as Failed": with_a_build_that_fails,
    "exceeded quota": with_a_quota,
}


def test_each_failure_of_the_guide_is_provoked_here() -> None:
    rows = GUIDE.split("## What may go wrong")[1]
    assert set(re.findall(r"^\| `([^`]+)`", rows, re.MULTILINE)) == TROUBLES.keys() | NOT_PROVOKED
    assert PREPARED.keys() <= TROUBLES.keys()


def said(cluster: Cluster, command: str, variables: Mapping[str, str | None]) -> str:
    """What a command says, to its standard output and error."""
    place = cluster.workplace({"IMAGE_TAG": "v1", "ROUTE_TEMPLATES_TOKEN": WRITES, **variables})
    argv = [sys.executable, "-m", "maintenance_ci", *command.split()]
    done = subprocess.run(
        argv, cwd=place.folder, env=place.environment, capture_output=True, text=True, check=False, timeout=100
    )
    return done.stdout + done.stderr


def pattern(says: str) -> str:
    return re.escape(says).replace("…", ".*")


@pytest.mark.slow
@pytest.mark.parametrize("says", TROUBLES)
def test_what_goes_wrong_is_said_as_the_guide_says_it(says: str, cluster: Cluster) -> None:
    cluster.inside.gitlab.tokens |= TOKENS
    PREPARED.get(says, lambda _: None)(cluster)
    log = said(cluster, *TROUBLES[says])
    assert re.search(pattern(says), log), log


@pytest.mark.slow
def test_no_trouble_of_the_guide_is_told_where_nothing_is_wrong(cluster: Cluster) -> None:
    cluster.inside.gitlab.tokens |= TOKENS
    commands = ("status", "export-route shop --commit", "plan --page-later", "build-and-deploy", "deploy-route")
    log = "\n".join(said(cluster, command, {}) for command in commands)
    assert "now meet the maintenance page" in log
    assert [says for says in TROUBLES if re.search(pattern(says), log)] == []
