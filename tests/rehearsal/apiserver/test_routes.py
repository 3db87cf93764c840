"""A Route's defaults and rules. Objects and messages are as recorded on a real OpenShift 4.21."""

from __future__ import annotations

from typing import Any

import pytest

from maintenance_ci.rehearsal.apiserver.errors import ApiError
from maintenance_ci.rehearsal.apiserver.kinds import routes
from maintenance_ci.rehearsal.apiserver.store import Object, Store
from tests.rehearsal.apiserver.facts import NAMESPACE, create


def route(**spec: Any) -> Object:
    return create("routes", "app", spec={"to": {"kind": "Service", "name": "app"}, **spec})


def test_a_route_is_normalised() -> None:
    made = create(
        "routes",
        "caps",
        spec={"to": {"name": "app"}, "host": "caps.apps.example.test", "tls": {"termination": "Edge"}},
        spce={},
    )
    assert {name: value for name, value in made.items() if name != "metadata"} == {
        "kind": "Route",
        "apiVersion": "route.openshift.io/v1",
        "spec": {
            "host": "caps.apps.example.test",
            "to": {"kind": "Service", "name": "app", "weight": 100},
            "tls": {"termination": "edge"},
            "wildcardPolicy": "None",
        },
        "status": {},
    }
    fields = {"f:host": {}, "f:tls": {".": {}, "f:termination": {}}}
    fields |= {"f:to": {"f:kind": {}, "f:name": {}, "f:weight": {}}, "f:wildcardPolicy": {}}
    assert made["metadata"]["managedFields"][0]["fieldsV1"] == {"f:spec": fields}
    assert made["metadata"]["generation"] == 1


@pytest.mark.parametrize("tls", [{}, {"termination": ""}, {"termination": "Edge"}, {"certificate": "C"}])
def test_tls_is_edge_where_nothing_else_is_said(tls: Object) -> None:
    assert route(tls=tls)["spec"]["tls"]["termination"] == "edge"


@pytest.mark.parametrize("tls", [{"destinationCACertificate": "C"}, {"termination": "EDGE"}])
def test_tls_is_not_edge_against_what_is_said(tls: Object) -> None:
    with pytest.raises(ApiError, match=r"spec\.tls\.termination: Unsupported value"):
        route(tls=tls)


def test_a_route_without_host_gets_one_that_nobody_owns() -> None:
    made = route(host="")
    assert made["spec"]["host"] == "app-facts.apps.example.test"
    assert made["metadata"]["annotations"] == {"openshift.io/host.generated": "true"}
    assert "f:host" not in made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]


def test_a_route_keeps_its_host_when_an_update_leaves_it_out() -> None:
    store = Store()
    made = create("routes", "app", store, spec={"to": {"name": "a"}, "host": "app.example.test"})
    changed = store.update("routes", {**made, "spec": {"to": {"name": "b"}}}, manager="test")
    assert changed["spec"]["host"] == "app.example.test"
    assert "annotations" not in changed["metadata"]


LABEL_RULE = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with "
    "an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ({"path": "a/b"}, 'spec.path: Invalid value: "a/b": path must begin with /'),
        (
            {"path": "/a", "tls": {"termination": "passthrough"}},
            'spec.path: Invalid value: "/a": passthrough termination does not support paths',
        ),
        (
            {"tls": {"termination": "sometimes"}},
            (
                'spec.tls.termination: Unsupported value: "sometimes": '
                'supported values: "edge", "passthrough", "reencrypt"'
            ),
        ),
        (
            {"tls": {"termination": "edge", "destinationCACertificate": "x"}},
            (
                'spec.tls.destinationCACertificate: Invalid value: "redacted destination ca certificate data": '
                "edge termination does not support destination certificates"
            ),
        ),
        (
            {"host": "Not_A_Host"},
            (
                '[spec.host: Invalid value: "Not_A_Host": host must conform to DNS 952 subdomain conventions, '
                f'spec.host: Invalid value: "Not_A_Host": {LABEL_RULE}]'
            ),
        ),
        ({"to": {"kind": "Service", "name": ""}}, "spec.to.name: Required value"),
        ({"port": {}}, "spec.port.targetPort: Required value"),
        (
            {"alternateBackends": [{"name": name} for name in "bcde"]},
            "spec.alternateBackends: Required value: cannot specify more than 3 alternate backends",
        ),
        (
            {"to": {"kind": "Service", "name": "a", "weight": 300}},
            "spec.to.weight: Invalid value: 300: weight must be an integer between 0 and 256",
        ),
    ],
)
def test_routes_that_are_refused(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ApiError) as refused:
        route(**{"host": "p.apps.example.test"} | spec)
    assert refused.value.code == 422
    assert refused.value.message == f'Route.route.openshift.io "app" is invalid: {message}'


CERTIFICATE = {"termination": "edge", "certificate": "C", "key": "K"}
EXTERNAL = {"termination": "edge", "externalCertificate": {"name": "shop-tls"}}
DESTINATION = {"termination": "reencrypt", "destinationCACertificate": "D"}


@pytest.mark.parametrize(
    ("old", "new", "rights", "field"),
    [
        (None, {"host": "a"}, (), "spec.host"),
        (None, {"host": "a"}, ("create",), None),
        (None, {"host": "a"}, ("update",), "spec.host"),
        (None, {}, (), None),
        (None, {"tls": CERTIFICATE}, (), "spec.tls"),
        (None, {"tls": {"termination": "edge"}}, (), None),
        (None, {"tls": EXTERNAL}, (), "spec.tls"),
        (None, {"tls": EXTERNAL}, ("create",), None),
        ({"tls": EXTERNAL}, {"tls": EXTERNAL}, (), "spec.tls.externalCertificate"),
        ({"tls": EXTERNAL}, {"tls": EXTERNAL}, ("create",), None),
        ({"tls": EXTERNAL}, {"tls": EXTERNAL}, ("update",), None),
        ({"tls": EXTERNAL}, {"tls": {"termination": "edge", "externalCertificate": {}}}, (), None),
        ({"host": "a", "to": 1}, {"host": "a", "to": 2}, (), None),
        ({"host": "a"}, {"host": "b"}, ("create",), "spec.host"),
        ({"host": "a"}, {"host": "b"}, ("update",), None),
        ({"host": "a"}, {}, (), None),
        ({"host": "a", "tls": DESTINATION}, {"host": "a", "tls": DESTINATION}, (), None),
        (
            {"host": "a", "tls": DESTINATION},
            {"host": "a", "tls": DESTINATION | {"destinationCACertificate": "E"}},
            (),
            "spec.tls.destinationCACertificate",
        ),
        ({"tls": DESTINATION}, {"tls": DESTINATION | {"destinationCACertificate": "E"}}, ("create",), None),
        ({"tls": DESTINATION}, {"tls": {"termination": "edge"}}, (), None),
    ],
)
def test_the_right_to_a_host_of_ones_own(
    old: Object | None, new: Object, rights: tuple[str, ...], field: str | None
) -> None:
    def may(verb: str, resource: str) -> bool:
        return resource == "routes/custom-host" and verb in rights

    before = {"spec": old} if old is not None else None
    causes = routes.check_rights({"spec": new}, before, may)
    assert [cause.field for cause in causes] == ([field] if field else [])


@pytest.mark.parametrize(
    ("kind", "tls", "message"),
    [
        ("kubernetes.io/tls", EXTERNAL, ""),
        (None, EXTERNAL, 'Not found: "secrets \\"shop-tls\\" not found"'),
        ("Opaque", EXTERNAL, 'Invalid value: "shop-tls": secret of type "kubernetes.io/tls" required'),
        (
            "kubernetes.io/tls",
            EXTERNAL | {"termination": "passthrough"},
            'Invalid value: "shop-tls": passthrough termination does not support certificates',
        ),
        (
            "kubernetes.io/tls",
            EXTERNAL | {"certificate": "C"},
            'Invalid value: "shop-tls": cannot specify both tls.certificate and tls.externalCertificate',
        ),
    ],
)
def test_a_certificate_in_a_secret(kind: str | None, tls: Object, message: str) -> None:
    store, spec = Store(), {"to": {"kind": "Service", "name": "app"}, "tls": tls}
    if kind:
        create("secrets", "shop-tls", store, type=kind)
    if not message:
        made = create("routes", "app", store, spec=spec)
        store.delete("secrets", NAMESPACE, "shop-tls")
        store.update("routes", {**made, "status": {"ingress": []}}, manager="router", subresource="status")
        return
    with pytest.raises(ApiError) as refused:
        create("routes", "app", store, spec=spec)
    assert refused.value.message.endswith(f"spec.tls.externalCertificate: {message}")


def test_a_host_with_a_long_label_needs_an_annotation() -> None:
    spec = {"to": {"kind": "Service", "name": "app"}, "host": f"{'a' * 64}.example.test"}
    annotated = {"name": "app", "namespace": NAMESPACE, "annotations": {routes.LONG_LABELS: "true"}}
    with pytest.raises(ApiError, match="must be no more than 63 characters"):
        create("routes", "app", spec=spec)
    made = Store().create("routes", {"metadata": annotated, "spec": spec}, manager="test")
    assert made["spec"]["host"] == spec["host"]


def test_fields_that_a_route_does_not_have() -> None:
    given = {"spce": {}, "spec": {"to": {"nam": 1}, "alternateBackends": [{"x": 1}], "tls": {"cert": ""}}}
    assert routes.unknown_fields(given, Store()) == [
        "spce",
        "spec.alternateBackends[0].x",
        "spec.tls.cert",
        "spec.to.nam",
    ]
