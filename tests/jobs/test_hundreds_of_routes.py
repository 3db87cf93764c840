"""Three hundred Routes in and out of maintenance, on a busy router with two replicas: nobody is answered 5xx.

By repoint and a selector; tests/matrices/test_three_hundred_routes.py has as many by swap.
"""

from __future__ import annotations

from collections import Counter

import pytest

from maintenance_ci.rehearsal.cluster import Options
from tests.tools.clusters import running
from tests.tools.many_routes import LABEL, add_routes, routes_of, users_of
from tests.tools.outcomes import essence, ok

NUMBER = 300
NAMES = [f"app-{number:03}" for number in range(1, NUMBER + 1)]
PLAIN = frozenset(NAMES[::4])
WANTED: dict[str, str | None] = {
    "ROUTE_NAME": None,
    "ROUTE_SELECTOR": f"{LABEL}=legacy",
    "MAINTENANCE": "legacy system",
    "ROUTE_STRATEGY": "repoint",
    # A busy machine takes its time for hundreds.
    "ADMISSION_TIMEOUT": "300",
    "API_TIMEOUT": "120",
}
PAGE = "maintenance-page:v1"


@pytest.mark.slow
@pytest.mark.timeout(1500)
def test_hundreds_of_routes_go_in_and_out_and_nobody_is_answered_5xx() -> None:
    with running(Options(reload_interval=2.0, replicas=2, busy=True)) as cluster:
        add_routes(cluster, NAMES, plain=PLAIN)
        before = {name: essence(route) for name, route in routes_of(cluster).items()}
        ok(cluster.run("build-and-deploy", WANTED))
        with users_of(cluster, NAMES, rate=50.0, plain=PLAIN) as seen:
            ok(cluster.run("deploy-route", WANTED))
        with users_of(cluster, NAMES, rate=100.0, plain=PLAIN) as shown:
            cluster.do(cluster.inside.router.next_reload())
            cluster.do(cluster.inside.router.next_reload())
        with users_of(cluster, NAMES, rate=50.0, plain=PLAIN) as seen_after:
            ok(cluster.run("delete", WANTED))
        answers = [answer for one in (seen, shown, seen_after) for answers in one.values() for answer in answers]
        assert Counter(answer.status for answer in answers).keys() == {200}, Counter(a.error for a in answers)
        assert {answer.served_by for answers in shown.values() for answer in answers} == {PAGE}
        assert {name: essence(route) for name, route in routes_of(cluster).items()} == before
