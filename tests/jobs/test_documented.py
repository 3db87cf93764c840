"""What the README and docs/rehearsal.md tell a person to type: that it works, as typed."""

from __future__ import annotations

import re
import shlex
import subprocess
import sysconfig
from pathlib import Path

import pytest

from maintenance_ci.rehearsal.trouble import CLIENTS, Trouble, parse_trouble
from tests.tools.clusters import QUICK, Cluster, running
from tests.tools.outcomes import ok
from tests.tools.readme import README

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs/rehearsal.md").read_text()
STRATEGIES = ("swap", "repoint")
MAKE = re.compile(r"""make rehearse ARGS=(?:"[^"]*"|'[^']*'|\S+(?=`))""")


def documented() -> dict[str, set[str]]:
    """Each line of the table, and the strategies with which it comes true."""
    rows = re.findall(r"^\| `([^`]+)` \| ([^|]+) \| [^|]+ \|$", GUIDE.split("## Trouble on demand")[1], re.MULTILINE)
    return {line: set(re.findall(r"`(\w+)`", strategies)) for line, strategies in rows}


@pytest.mark.parametrize("strategy", ["repoint", pytest.param("swap", marks=pytest.mark.slow)])
def test_each_documented_trouble_comes_true(strategy: str) -> None:
    """Its request is made, by a maintenance that nothing troubles; and what it deletes is there."""
    with running(QUICK) as cluster:
        everything = [parse_trouble(f"{whose}: delay 0 always") for whose in ("gitlab", *CLIENTS)]
        for trouble in everything:
            cluster.call(cluster.inside.troubles.add, trouble)
        for job in ("build-and-deploy", "deploy-route", "delete"):
            ok(cluster.run(job, {"ROUTE_STRATEGY": strategy}))
        requests = [(made, *request.split(" ", 1)) for made, request in cluster.inside.troubles.met]

    def comes_true(trouble: Trouble) -> bool:
        concerned = [
            path
            for made, method, path in requests
            if trouble.concerns(gitlab=made.gitlab, method=method, path=path, user_agent=CLIENTS.get(made.client, ""))
        ]
        return len(concerned) >= trouble.first

    lines = documented()
    assert len(lines) >= 12
    true = {line for line in lines if comes_true(parse_trouble(line))}
    assert true == {line for line, strategies in lines.items() if strategy in strategies}


@pytest.mark.parametrize(
    ("line", "strategy"),
    [
        pytest.param("DELETE routes/shop: rewrite", "swap", marks=pytest.mark.slow),
        pytest.param("PATCH routes/shop$: rewrite", "repoint", marks=pytest.mark.slow),
        ("GET endpointslices: delete pods/maintenance-page", "repoint"),
        pytest.param("ours PATCH routes/shop$: kill after", "repoint", marks=pytest.mark.slow),
    ],
)
def test_what_a_documented_trouble_changes_is_there(line: str, strategy: str, cluster: Cluster) -> None:
    assert strategy in documented()[line]
    cluster.call(cluster.inside.troubles.add, parse_trouble(line))
    ok(cluster.run("build-and-deploy"))
    cluster.run("deploy-route", {"ROUTE_STRATEGY": strategy})
    assert cluster.call(lambda: cluster.inside.troubles.never) == {}


def test_what_is_typed_for_make_reaches_the_rehearsal(tmp_path: Path) -> None:
    """A command in the place of ours says what it is given, an argument a line."""
    typed = MAKE.findall(README) + MAKE.findall(GUIDE)
    assert len(typed) >= 5
    (tmp_path / "maintenance-ci").write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / "maintenance-ci").chmod(0o755)
    given = [made(f"{command} BIN={tmp_path}")[1:] for command in typed]
    assert ["--strategy", "repoint"] in given
    troubles = [arguments[at + 1] for arguments in given for at, one in enumerate(arguments) if one == "--trouble"]
    lines = documented()
    assert [line for line in troubles if line not in lines] == []
    assert [line for line in troubles if "$" in line] != []
    for arguments, line in ((one, one[-1]) for one in given if "--trouble" in one):
        assert ("repoint" if "repoint" in arguments else "swap") in lines[line]
    assert made(f"make rehearse ARGS=\"--trouble 'DELETE routes/shop$: kill'\" BIN={tmp_path}")[-1] not in lines


def made(command: str) -> list[str]:
    """What a shell and make make of it; nothing is set up."""
    command = command.replace("make ", "make --silent --old-file=.venv/installed ", 1)
    done = subprocess.run(["/bin/sh", "-c", command], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_the_command_beside_make_is_where_make_puts_it() -> None:
    # With --cluster it is what the jobs' image has on its PATH.
    named = re.findall(r"([\w./-]*maintenance-ci) rehearse(?! --cluster)", README + GUIDE)
    assert set(named) == {".venv/bin/maintenance-ci"}
    troubles = [shlex.split(line)[-1] for line in re.findall(r"^\$ (\.venv/bin/.*)$", GUIDE, re.MULTILINE)]
    assert troubles
    assert set(troubles) <= documented().keys()


@pytest.mark.slow
def test_a_maintenance_of_a_path_is_ended_by_hand_as_the_readme_says(cluster: Cluster) -> None:
    section = README.split("### When something fails at night")[1].split("\n### ")[0]
    shows, deletes = re.findall(r"^ *\$ oc ((?:get|delete) route.*)$", section, re.MULTILINE)
    ok(cluster.run("build-and-deploy"))
    ok(cluster.run("deploy-route", {"SUBPATH": "/cart"}))
    (name,) = cluster.routes() - {"shop"}
    assert typed(cluster, f"{shows} --output=name").split() == [f"route.route.openshift.io/{name}"]
    typed(cluster, deletes.replace("NAME", name))
    assert cluster.routes() == {"shop"}


def typed(cluster: Cluster, command: str) -> str:
    """Do with kubectl what oc would do, as an administrator."""
    kubeconfig = str(cluster.call(cluster.inside.admin_kubeconfig))
    kubectl = Path(sysconfig.get_path("scripts")) / "kubectl"
    argv = [kubectl, "--kubeconfig", kubeconfig, *shlex.split(command)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout
