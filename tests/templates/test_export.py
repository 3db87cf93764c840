"""The exported template, for whatever Route the API takes."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.names import notes, page_route_name, snapshot_name
from maintenance_ci.plan.certificates import CERTIFICATE_FIELDS, DESTINATION_CA, carry_over_certificates
from maintenance_ci.plan.comparison import differences, keep_bookkeeping
from maintenance_ci.plan.mirrored_metadata import is_tracking_label
from maintenance_ci.plan.page_route import our_labels
from maintenance_ci.plan.repoint import repointed
from maintenance_ci.plan.snapshot import manifest_of, snapshot_of
from maintenance_ci.templates.export import export_route, form_of, original_now, says_the_same
from maintenance_ci.templates.rendering import read_rendered
from maintenance_ci.templates.route import expected_route
from tests.tools.certificates import issued
from tests.tools.route_strategies import NAMESPACE, OURS, TRACKING, routes
from tests.tools.served_routes import live

INSECURE = "insecureEdgeTerminationPolicy"
some = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def original(**spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "route.openshift.io/v1",
        "kind": "Route",
        "metadata": {"name": "shop", "namespace": NAMESPACE},
        "spec": {"host": "shop.apps.example.test", "to": {"kind": "Service", "name": "shop"}, **spec},
    }


def rendered(text: str, name: str, path: str = "t.yaml") -> dict[str, Any]:
    """The template as the jobs read it."""
    file = read_rendered(text, path=path, values={"route_name": name, "namespace": NAMESPACE})
    return expected_route(file, [route.manifest for route in file.routes], name=name, namespace=NAMESPACE).route


def meant(spec: dict[str, Any]) -> dict[str, Any]:
    """A spec without what is empty: to the server it is not there."""
    given = {key: value for key, value in spec.items() if value not in (None, "", {}, [])}
    tls = {key: val for key, val in given.pop("tls", {}).items() if val and (key, val) != (INSECURE, "None")}
    return given | {"tls": tls}


@some
@given(manifest=routes())
def test_an_exported_template_is_the_live_route_to_deploy_route(manifest: dict[str, Any]) -> None:
    live_route = live(manifest)
    name = live_route["metadata"]["name"]
    assert differences(rendered(export_route(live_route, path="t.yaml").text, name), live_route) == []


@some
@given(manifest=routes())
def test_an_exported_template_brings_the_route_back(manifest: dict[str, Any]) -> None:
    """As `delete` does it: with what tools noted, and certificates, from the snapshot."""
    live_route = live(manifest)
    saved = manifest_of(live_route)
    restored = keep_bookkeeping(
        rendered(export_route(live_route, path="t.yaml").text, saved["metadata"]["name"]), saved
    )
    restored, _ = carry_over_certificates(restored, {"snapshot": saved})
    again = live(restored)
    assert meant(again["spec"]) == meant(live_route["spec"])
    for part in ("labels", "annotations"):
        had = {key: value for key, value in (saved["metadata"].get(part) or {}).items() if key not in OURS}
        assert {key: val for key, val in (again["metadata"].get(part) or {}).items() if key not in OURS} == had


def test_of_what_kubectl_applied_last_the_snapshot_knows_more_than_a_template() -> None:
    """`oc get -o yaml` exports the annotation, too; `oc apply` itself takes none of a file."""
    noted = "kubectl.kubernetes.io/last-applied-configuration"
    template = {"metadata": {"name": "shop", "annotations": {noted: "of its export", "team": "a"}}, "spec": {}}
    snapshot = {"metadata": {"name": "shop", "annotations": {noted: "of yesterday", "team": "b"}}, "spec": {}}
    restored = keep_bookkeeping(template, snapshot)
    assert restored["metadata"]["annotations"] == {noted: "of yesterday", "team": "a"}
    assert keep_bookkeeping(template, {"metadata": {"name": "shop"}}) == template


@some
@given(manifest=routes())
def test_what_no_template_should_hold_is_not_in_it(manifest: dict[str, Any]) -> None:
    live_route = live(manifest)
    live_route["status"] = {"ingress": [{"host": live_route["spec"]["host"]}]}
    export = export_route(live_route, path="t.yaml")
    written = yaml.safe_load(export.text)
    assert written == export.manifest
    assert written.keys() == {"apiVersion", "kind", "metadata", "spec"}
    assert written["metadata"].keys() <= {"name", "namespace", "labels", "annotations"}
    tls = written["spec"].get("tls") or {}
    assert not set(CERTIFICATE_FIELDS) & tls.keys() - ({DESTINATION_CA} if "externalCertificate" in tls else set())
    assert "PRIVATE KEY" not in export.text
    assert not {name for name in written["metadata"].get("labels") or {} if is_tracking_label(name)}
    assert not {*TRACKING, *OURS} & (written["metadata"].get("annotations") or {}).keys()


@some
@given(manifest=routes())
def test_two_exports_of_a_route_are_one_text(manifest: dict[str, Any]) -> None:
    live_route = live(manifest)
    text = export_route(live_route, path="t.yaml").text
    later = {**live_route, "metadata": {**live_route["metadata"], "resourceVersion": "999", "generation": 7}}
    assert export_route(later, path="t.yaml").text == text
    assert export_route(json.loads(json.dumps(live_route, sort_keys=True)), path="t.yaml").text == text
    assert says_the_same(text, "t.yaml", export_route(live_route, path="t.yaml").manifest)


def test_a_template_is_as_short_as_a_person_writes_it() -> None:
    live_route = live(original(port={"targetPort": "http"}, tls={"termination": "edge", **issued(2026)}))
    live_route["metadata"] |= {
        "labels": {"app": "shop", "app.kubernetes.io/instance": "shop"},
        "annotations": {"argocd.argoproj.io/tracking-id": "x", "maintenance-ci/touched": "1", "note": "{a: b}"},
    }
    assert export_route(live_route, path="shop.yaml").text == (
        "# Route shop of web, by maintenance-ci export-route.\n"
        "# Left out:\n"
        "# - metadata.labels: app.kubernetes.io/instance, which deployment tools and controllers write\n"
        "# - metadata.annotations: argocd.argoproj.io/tracking-id, which deployment tools and controllers write\n"
        "# - spec.tls.certificate, spec.tls.key: the job delete brings back the newest that it finds\n"
        "apiVersion: route.openshift.io/v1\n"
        "kind: Route\n"
        "metadata:\n"
        "  name: shop\n"
        "  namespace: web\n"
        "  labels:\n"
        "    app: shop\n"
        "  annotations:\n"
        '    note: "{a: b}"\n'
        "spec:\n"
        "  host: shop.apps.example.test\n"
        "  to:\n"
        "    kind: Service\n"
        "    name: shop\n"
        "  port:\n"
        "    targetPort: http\n"
        "  tls:\n"
        "    termination: edge\n"
    )


@pytest.mark.parametrize(
    "value", ["1e3", "0x1F", "y", "NO", "null", "~", "2026-11-23", "12:30:00", " a ", "", "🙏\u2028"]
)
def test_a_text_stays_a_text_to_every_reader_of_yaml(value: str) -> None:
    live_route = original()
    live_route["metadata"]["annotations"] = {"note": value}
    text = export_route(live_route, path="t.yaml").text
    line = next(line for line in text.splitlines() if line.startswith("    note:"))
    assert line.split(": ", 1)[1].startswith('"') or value.lower() in ("no", "null")
    assert yaml.safe_load(text)["metadata"]["annotations"]["note"] == value


def test_headers_that_may_be_secret_are_named_and_not_shown() -> None:
    action = {"type": "Set", "set": {"value": "pass-1234"}}
    actions = {
        "request": [{"name": "Authorization", "action": action}],
        "response": [{"name": "X-A", "action": action}],
    }
    export = export_route(original(httpHeaders={"actions": actions}), path="t.yaml")
    assert export.secret_headers == ("Authorization",)
    comments = "".join(line for line in export.text.splitlines() if line.startswith("#"))
    assert "Authorization" in comments
    assert "X-A" not in comments
    assert "pass-1234" not in comments
    assert export_route(original(), path="t.yaml").secret_headers == ()


@pytest.mark.parametrize("annotation", ["router.openshift.io/cookie_name", "description"])
def test_a_value_that_jinja2_would_render_is_refused_in_a_j2_file_alone(annotation: str) -> None:
    live_route = original()
    live_route["metadata"]["annotations"] = {annotation: "{{ route_name }}"}
    assert '"{{ route_name }}"' in export_route(live_route, path="t.yaml").text
    with pytest.raises(MaintenanceError, match="holds what Jinja2 would render"):
        export_route(live_route, path="t.yaml.j2")


@pytest.mark.parametrize(
    ("text", "path", "form"),
    [
        ("kind: Route\nmetadata: {name: a}\nspec: {host: h, to: {name: s}}", "a.yaml", "Route"),
        ("kind: Route\nmetadata: {name: a}\nspec: {host: h, to: {name: s}}", "a.yaml.j2", "Route"),
        ("kind: Route\nmetadata: {name: '{{ x }}'}\nspec: {host: h, to: {name: s}}", "a.yaml.j2", "Jinja2"),
        ("{# mine #}\nkind: Route\nmetadata: {name: a}\nspec: {host: h, to: {name: s}}", "a.yaml.j2", "Jinja2"),
        ("kind: Template\nobjects: []", "a.yaml", "Template"),
        ("kind: List\nitems: [{kind: Route, metadata: {name: a}, spec: {}}]", "a.yaml", "Route"),
        ("kind: Route\n---\nkind: Service", "a.yaml", "several objects"),
        ('{"kind": "Route"}{"kind": "Route"}', "a.yaml", "several objects"),
        ("kind: Secret", "a.yaml", "unknown"),
        ("<html>", "a.yaml", "unknown"),
        ("a: [", "a.yaml", "unknown"),
    ],
)
def test_the_form_of_a_template(text: str, path: str, form: str) -> None:
    assert form_of(text, path) == form


def test_a_template_says_the_same_whatever_its_comments() -> None:
    export = export_route(original(), path="t.yaml")
    assert says_the_same("# ours\n" + yaml.safe_dump(export.manifest), "t.yaml", export.manifest)
    changed = copy.deepcopy(export.manifest)
    changed["metadata"]["annotations"] = {"note": "new"}
    assert not says_the_same(export.text, "t.yaml", changed)
    assert not says_the_same("a: [", "t.yaml", changed)


def test_the_original_of_a_route_in_maintenance_is_its_snapshot() -> None:
    live_route = live(original())
    annotations = notes("shop", "repoint")
    secret = snapshot_of(live_route, annotations)
    sent = live(manifest_of(repointed(live_route, {}))) | {}
    sent["metadata"]["annotations"] = annotations
    swapped = {"metadata": {"name": page_route_name("shop", None), "annotations": notes("shop", "swap"),
               "labels": our_labels("shop")}, "spec": {}}  # fmt: skip
    snapshots = {snapshot_name("shop"): secret}
    assert original_now("shop", {"shop": live_route}, {}) == (manifest_of(live_route), False)
    assert original_now("shop", {"shop": sent}, snapshots) == (manifest_of(live_route), True)
    assert original_now("shop", {swapped["metadata"]["name"]: swapped}, snapshots) == (manifest_of(live_route), True)
    assert original_now("shop", {}, snapshots) == (manifest_of(live_route), True)  # a job was ended half-way
    assert original_now("shop", {}, {}) == (None, False)
    for routes_there in ({"shop": sent}, {swapped["metadata"]["name"]: swapped}):
        with pytest.raises(MaintenanceError, match="its snapshot is gone"):
            original_now("shop", routes_there, {})
    with pytest.raises(MaintenanceError, match="is the maintenance Route of shop"):
        original_now(swapped["metadata"]["name"], {swapped["metadata"]["name"]: swapped}, {})


def test_the_pods_ca_stays_where_nobody_would_bring_it_back() -> None:
    tls = {"termination": "reencrypt", "destinationCACertificate": "the Pods' CA"}
    assert "Pods' CA" not in export_route(original(tls=tls), path="t.yaml").text
    named = original(tls={**tls, "externalCertificate": {"name": "shop-tls"}})
    assert export_route(named, path="t.yaml").manifest["spec"]["tls"] == named["spec"]["tls"]
