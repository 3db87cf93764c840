from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.rehearsal.apiserver.errors import ApiError
from maintenance_ci.rehearsal.apiserver.selectors import field_matcher, label_matcher


def labelled(**labels: str) -> dict[str, Any]:
    return {"metadata": {"name": "x", "labels": labels}}


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ("", True),
        ("app=page", True),
        ("app==page", True),
        ("app=other", False),
        ("app!=other", True),
        ("app!=page", False),
        ("missing!=page", True),
        ("app", True),
        ("missing", False),
        ("!missing", True),
        ("!app", False),
        ("app in (a, page)", True),
        ("app in (a,b)", False),
        ("missing in (a)", False),
        ("app notin (a,b)", True),
        ("app notin (page)", False),
        ("missing notin (a)", True),
        ("app=page,tier=front", True),
        ("app in ()", False),
        ("app>1", False),
        ("tier<1,app", False),
        ("app in (a,page),tier=back", False),
    ],
)
def test_label_selectors(selector: str, fits: bool) -> None:
    assert label_matcher(selector)(labelled(app="page", tier="front")) is fits


def test_a_label_selector_that_cannot_be_read_is_a_bad_request() -> None:
    with pytest.raises(ApiError) as refused:
        label_matcher("a in b")
    assert refused.value.code == 400


ROUTE = {
    "metadata": {"name": "app", "namespace": "shop"},
    "spec": {"host": "app.example.test", "to": {"name": "web"}},
}


@pytest.mark.parametrize(
    ("selector", "fits"),
    [
        ("spec.host=app.example.test", True),
        ("spec.host!=app.example.test", False),
        ("spec.to.name=web,metadata.name=app", True),
        ("spec.path=", True),
        ("metadata.namespace=other", False),
    ],
)
def test_field_selectors_of_routes(selector: str, fits: bool) -> None:
    assert field_matcher("routes", selector)(ROUTE) is fits


def test_other_fields_are_refused_in_the_recorded_words() -> None:
    with pytest.raises(ApiError) as refused:
        field_matcher("routes", "spec.tls.termination=edge")
    assert refused.value.status == {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": '"spec.tls.termination" is not a known field selector: only "metadata.name", "metadata.namespace"',
        "reason": "BadRequest",
        "code": 400,
    }
