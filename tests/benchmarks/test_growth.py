"""What the growth of a namespace is measured by."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from benchmarks.growth import FEW, JOBS, KINDS, Cost, Crowd, _once, _peak_memory, fill, table
from benchmarks.results import as_text
from maintenance_ci.rehearsal import application_manifests as manifests
from maintenance_ci.rehearsal.apiserver.server import Request
from maintenance_ci.rehearsal.apiserver.store import Store

OURS = "system:serviceaccount:web:maintenance-ci"


@pytest.mark.parametrize("crowded", ["", *KINDS])
def test_the_namespace_is_full_of_one_kind_alone(crowded: str) -> None:
    store = Store()
    fill(store, crowded, 25)
    plurals = ("routes", "deployments", "services")
    there = {plural: len(store.list(plural, manifests.NAMESPACE)) for plural in plurals}
    secrets = Counter(one["type"] for one in store.list("secrets", manifests.NAMESPACE))
    assert there == {
        "routes": 25 if crowded == "Routes" else FEW,
        "deployments": 25 if crowded == "Deployments" else FEW,
        "services": 25 if crowded == "Deployments" else FEW,
    }
    assert secrets == {
        "Opaque": 25 if crowded == "Secrets" else FEW,
        "helm.sh/release.v1": 25 if crowded == "Helm releases" else FEW,
    }


def request(method: str, path: str, user: str = OURS, size: int = 1) -> Request:
    return Request(method, path, user, "", 200, size=size)


def test_a_poll_counts_once_and_nobody_elses_requests_at_all() -> None:
    made = [
        request("GET", "/routes/a"),
        request("GET", "/routes/a"),
        request("GET", "/routes/b"),
        request("POST", "/routes"),
        request("POST", "/routes"),
        request("GET", "/routes/c", "system:admin"),
    ]
    counted = Counter((one.method, one.path) for one in _once(made))
    assert counted == {("GET", "/routes/a"): 1, ("GET", "/routes/b"): 1, ("POST", "/routes"): 2}


@pytest.mark.parametrize("megabytes", [1, 60])
def test_the_memory_of_a_process_is_its_peak(megabytes: int) -> None:
    code = f"text = b'x' * ({megabytes} << 20); del text; print('ready', flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        peak = _peak_memory(process.pid)
        process.communicate(b"\n")
    assert (peak > 60 << 20) is (megabytes == 60)
    assert _peak_memory(process.pid) == 0


def test_the_table_compares_with_a_small_namespace() -> None:
    few = Crowd({job: Cost(10, 1000, 50 << 20) for job in JOBS}, 1400)
    many = Crowd({job: Cost(20, 5000, 80 << 20) for job in JOBS}, 1400)
    shown = as_text(table(few, {"Routes": many}, 2010))
    (row,) = [line.split() for line in shown.splitlines() if line.split()[:3] == ["status", "2,010", "Routes"]]
    assert row[3:] == ["20", "2.00", "5,000", "5.00", "2", "80"]
    assert "has 1400 bytes of JSON" in " ".join(shown.split())
