"""``spec.httpHeaders``: what reaches the Pod, and what users bear; as recorded on OpenShift 4.21."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from maintenance_ci.plan.page_texts import with_headers
from tests.rehearsal.router.small_router import Cluster, browser, run

if TYPE_CHECKING:
    from pathlib import Path

TEXT = "Nous revenons à 10 h : « c’est “promis” » <b>&amp; 100%% 'sûr' \\ $HOME #no"
SENT = {"X-Mine": "visitor", "x-gone": "visitor", "Cookie": "SECRET=1"}


def set_to(value: str, name: str = "X-Mine") -> dict[str, Any]:
    return {"name": name, "action": {"type": "Set", "set": {"value": value}}}


def gone(name: str) -> dict[str, Any]:
    return {"name": name, "action": {"type": "Delete"}}


async def reaching(cluster: Cluster, *actions: dict[str, Any], **sent: str) -> tuple[int, dict[str, str]]:
    """The answer's status, and the headers that the Pod of a Route with these actions is asked with."""
    cluster.add_route("shop", "shop", httpHeaders={"actions": {"request": list(actions)}})
    async with cluster.routed() as router, browser(cluster, router) as get:
        seen = await get("/headers", **sent)
    cluster.delete_route("shop")
    headers = json.loads(seen.body) if seen.status == 200 else {}
    return seen.status, {name.lower(): value for name, value in headers.items()}


def test_what_the_route_says_reaches_the_pod_and_what_visitors_say_does_not(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        status, headers = await reaching(cluster, set_to(TEXT), gone("X-Gone"), set_to("&#10;\u2028", "X-L"), **SENT)
        assert status == 200
        assert headers["x-mine"] == TEXT.replace("%%", "%")
        assert headers["x-l"] == "&#10;\u2028"
        assert "x-gone" not in headers
        # Without the actions it does.
        _, plain = await reaching(cluster, **SENT)
        assert (plain["x-mine"], plain["x-gone"]) == ("visitor", "visitor")

    run(tmp_path, story)


def test_answers_are_changed_too(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        actions = [set_to("120", "Retry-After"), gone("X-Served-By")]
        cluster.add_route("shop", "shop", httpHeaders={"actions": {"response": actions}})
        async with cluster.routed() as router, browser(cluster, router) as get:
            answer = await get("/")
        assert answer.headers["Retry-After"] == "120"
        assert "X-Served-By" not in answer.headers

    run(tmp_path, story)


def test_one_percent_sign_copies_cookies_and_two_do_not(tmp_path: Path) -> None:
    async def story(cluster: Cluster) -> None:
        expression = "%[req.hdr(cookie),lower]"
        _, single = await reaching(cluster, set_to(expression), **SENT)
        assert single["x-mine"] == "secret=1"
        told = with_headers({"spec": {}}, {"X-Maintenance-Texts": expression})
        ours = told["spec"]["httpHeaders"]["actions"]["request"]
        _, doubled = await reaching(cluster, *ours, **SENT)
        assert doubled["x-maintenance-texts"] == expression

    run(tmp_path, story)


@pytest.mark.parametrize(
    ("texts", "cookies", "status"),
    [
        ([3000], 23_500, 200),
        ([4096, 4096], 23_500, 200),
        ([9000], 23_500, 500),
        ([16384], 100, 200),
        ([16384, 16384], 100, 500),
    ],
)
def test_users_bear_less_than_the_api_takes(tmp_path: Path, texts: list[int], cookies: int, status: int) -> None:
    async def story(cluster: Cluster) -> None:
        actions = [set_to("x" * size, f"X-{number}") for number, size in enumerate(texts)]
        assert (await reaching(cluster, *actions, Cookie="c" * cookies))[0] == status

    run(tmp_path, story)
