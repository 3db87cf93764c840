from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from maintenance_ci.errors import MaintenanceError
from maintenance_ci.plan.comparison import differences, moved
from maintenance_ci.templates import rendering
from maintenance_ci.templates.file import TemplateFile
from maintenance_ci.templates.rendering import read_rendered
from maintenance_ci.templates.route import expected_route, template_path

PLAIN = """
kind: Route
apiVersion: route.openshift.io/v1
metadata: {name: shop, uid: 1-2, resourceVersion: "7", labels: {app: shop}}
spec:
  host: shop.apps.example.test
  to: {kind: Service, name: shop}
status: {ingress: []}
"""


def route_of(file: TemplateFile, name: str = "shop") -> dict[str, Any]:
    return expected_route(file, [route.manifest for route in file.routes], name=name, namespace="web").route


def restored_from(text: str, path: str = "shop.yaml", **values: Any) -> dict[str, Any]:
    return route_of(read_rendered(text, path=path, values=values))


def test_the_path_is_a_pattern() -> None:
    assert template_path("{{ route_name }}.yaml", "shop") == "shop.yaml"
    assert template_path("routes/{{route_name}}/route.yaml.j2", "shop") == "routes/shop/route.yaml.j2"


def test_a_plain_route() -> None:
    restored = restored_from(PLAIN)
    assert restored["metadata"] == {"name": "shop", "namespace": "web", "labels": {"app": "shop"}}
    assert "status" not in restored


def test_jinja2_only_where_the_name_says_so() -> None:
    text = PLAIN.replace("shop.apps.example.test", '"{{ tier }}.apps.example.test"')
    assert restored_from(text, "shop.yaml.j2", tier="prod")["spec"]["host"] == "prod.apps.example.test"
    with pytest.raises(MaintenanceError, match=r"the name of a Jinja2 template ends in \.j2"):
        restored_from(text, tier="prod")


@pytest.mark.parametrize(
    ("text", "path", "says"),
    [
        ("<!DOCTYPE html><html>Sign in</html>", "shop.yaml", "must be a mapping with apiVersion and kind"),
        ("a: [", "shop.yaml", "is not YAML"),
        ("", "shop.yaml", "it holds nothing"),
        ("just text", "shop.yaml", "must be a mapping with apiVersion and kind"),
        (PLAIN + "---" + PLAIN, "shop.yaml", "holds Route shop 2 times"),
        ("kind: Secret\nmetadata: {name: shop}", "shop.yaml", "must hold one Route or one Template with a Route: it"),
        ("host: {{ nobody }}", "shop.yaml.j2", "does not render"),
        ("{% for %}", "shop.yaml.j2", "does not render"),
        ("{{ ''.__class__.__mro__ }}", "shop.yaml.j2", "may not do"),
        ("{{ 1 / 0 }}", "shop.yaml.j2", "does not render"),
    ],
)  # fmt: skip
def test_what_is_no_template(text: str, path: str, says: str) -> None:
    with pytest.raises(MaintenanceError, match=says):
        restored_from(text, path)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "Secret"},
        {"metadata": {"name": "other"}},
        {"metadata": {}},
        {"metadata": {"name": "shop", "namespace": "elsewhere"}},
        {"spec": {"host": "h.example.test"}},
        {"spec": None},
    ],
)
def test_only_the_expected_route_is_taken(change: dict[str, Any]) -> None:
    with pytest.raises(MaintenanceError):
        restored_from(json.dumps(yaml.safe_load(PLAIN) | change))


LIVE = {
    "metadata": {
        "name": "shop",
        "labels": {"app": "shop", "app.kubernetes.io/managed-by": "Helm"},
        "annotations": {"haproxy.router.openshift.io/timeout": "60s", "kubectl.kubernetes.io/last-applied": "{}"},
    },
    "spec": {
        "host": "h.example.test",
        "to": {"kind": "Service", "name": "shop", "weight": 100},
        "tls": {"termination": "edge", "certificate": "C", "key": "K"},
        "wildcardPolicy": "None",
    },
}


def changed(**spec: Any) -> dict[str, Any]:
    return LIVE | {"spec": {key: value for key, value in (LIVE["spec"] | spec).items() if value is not None}}


def test_what_means_the_same_is_no_difference() -> None:
    template = {
        "metadata": {
            "name": "shop",
            "labels": {"app": "shop"},
            "annotations": {"haproxy.router.openshift.io/timeout": "60s"},
        },
        "spec": {
            "host": "h.example.test",
            "path": "",
            "to": {"name": "shop"},
            "tls": {"termination": "Edge", "insecureEdgeTerminationPolicy": "None"},
        },
    }
    assert differences(template, LIVE) == []


@pytest.mark.parametrize(
    ("template", "field"),
    [
        (changed(host="o.example.test"), "spec.host"),
        (changed(path="/a"), "spec.path"),
        (changed(tls={"termination": "reencrypt"}), "spec.tls.termination"),
        (changed(tls={"termination": "edge", "insecureEdgeTerminationPolicy": "Allow"}), "spec.tls.insecureEdge"),
        (changed(to={"name": "shop", "weight": 1}), "spec.backends.0.weight"),
        (changed(alternateBackends=[{"name": "b"}]), "spec.backends.1.kind"),
        (changed(to={"name": "shop", "weight": 0}), "spec.backends.0.weight"),
        (changed(tls={"termination": "edge", "externalCertificate": {"name": "s"}}), "spec.tls.externalCertificate"),
        (changed(port={"targetPort": "http"}), "spec.port.targetPort"),
        (LIVE | {"metadata": {"name": "shop", "annotations": LIVE["metadata"]["annotations"]}}, "labels.app"),
        (LIVE | {"metadata": {"name": "shop", "labels": {"app": "shop"}}}, "annotations.haproxy.router"),
    ],
)
def test_each_difference_is_named(template: dict[str, Any], field: str) -> None:
    lines = differences(template, LIVE)
    assert lines and lines[0].startswith(field)
    assert "K" not in str(lines)


def test_what_is_empty_is_not_there() -> None:
    empty = {"path": "", "wildcardPolicy": "", "alternateBackends": [], "port": None}
    template = changed(**empty, to={"kind": None, "name": "shop", "weight": None}) | {"metadata": LIVE["metadata"]}
    template["spec"] |= empty
    assert differences(template, LIVE) == []


def test_a_header_s_value_is_not_shown() -> None:
    header = {"name": "Authorization", "action": {"type": "Set", "set": {"value": "Basic cGFzcw=="}}}
    lines = differences(changed(httpHeaders={"actions": {"request": [header]}}), LIVE)
    assert lines == ["spec.httpHeaders.actions.request is not the same in the template and in the cluster"]


def test_a_route_that_moved() -> None:
    assert moved(changed(), changed(tls={"termination": "edge"})) == []
    assert moved(changed(host="o.example.test"), LIVE)[0].startswith("spec.host")
    assert moved(changed(path="/a"), LIVE)[0].startswith("spec.path")
    assert moved(changed(tls=None), LIVE) == ["spec.tls is there on one side only"]


def test_what_is_larger_or_deeper_than_any_route() -> None:
    bomb = "kind: Route\nmetadata: {name: a}\nspec:\n  a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]\n"
    for one, other in ("ab", "bc", "cd", "de", "ef", "fg", "gh"):
        bomb += f"  {other}: &{other} [{', '.join([f'*{one}'] * 10)}]\n"
    deep = "kind: Route\nmetadata: {name: a}\nspec: " + "[" * 60 + "]" * 60
    # Of a small file each of these would be thousands of copies of a thousand values.
    wide = "{" + ", ".join(f"k{n}: 1" for n in range(1000)) + "}"
    copies = f"kind: RouteList\nwide: &a {wide}\nitems: [{', '.join(['*a'] * 2000)}]\n"
    template = copies.replace("RouteList", "Template").replace("items", "objects")
    for text in (bomb, deep, copies, template):
        with pytest.raises(MaintenanceError, match="larger or deeper than any Route"):
            restored_from(text)
    with pytest.raises(MaintenanceError, match=r"shop\.yaml:2:30: the value of an anchor contains itself"):
        restored_from("kind: Route\nmetadata: &m {name: a, more: *m}\nspec: {}\n")


@pytest.mark.parametrize("text", ["a: *b", "a: !!int x", "[" * 3000])
def test_what_only_looks_like_yaml(text: str) -> None:
    with pytest.raises(MaintenanceError, match="is not YAML"):
        restored_from(text)


@pytest.mark.parametrize("text", ["{{ range(9) }}", "{{ lipsum() }}", "{{ 'a' | dictsort }}", "{{ nobody | toyaml }}"])
def test_what_a_template_may_not_do(text: str) -> None:
    with pytest.raises(MaintenanceError, match="does not render"):
        restored_from(text, "shop.yaml.j2")


@pytest.mark.parametrize(
    "template",
    [
        "{{ '%2000000000d' % 1 }}",
        "{{ '{:2000000000}'.format(1) }}",
        "{{ 'x'.center(n) }}",
        "{{ [1] | batch(n, 1) | list }}",
        "{% set ns = namespace(s='x') %}" + "{% set ns.s = ns.s ~ ns.s %}" * 35,
    ],
)
def test_a_template_takes_no_job_s_memory(template: str) -> None:
    """Asked for at once, or bit by bit: the job goes on, and with it its way back from the snapshot."""
    with pytest.raises(MaintenanceError, match=r"it takes more memory than any manifest\.$"):
        rendering.render(template, {"n": 2_000_000_000}, name="shop.yaml.j2")
    assert rendering.render("{{ 'x'.center(9) }}", {}, name="shop.yaml.j2") == "    x    "


@pytest.mark.parametrize("path", ["shop.yaml.j2", "shop.yaml"])
def test_a_text_of_more_values_than_any_manifest_is_refused(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is rendered has an end; what comes as it is, from GitLab, is read within the same limits."""
    monkeypatch.setattr(rendering, "RENDER_TIMEOUT", 0.5)
    text = "x: [{{ 'a' | center(2000000) | replace(' ', 'a,') }}]" if path.endswith("j2") else f"x: [{'a,' * 500_000}]"
    with pytest.raises(MaintenanceError, match=r"more than any manifest|takes longer than"):
        restored_from(text, path)


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ 'x' * 10 ** 10 }}", "small numbers"),
        ("{{ 9 ** 9 ** 9 }}", "small numbers"),
        ("{% for a in s %}" * 4 + "{% endfor %}" * 4, "longer than"),
    ],
)
def test_a_template_keeps_no_job_busy(template: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rendering, "RENDER_TIMEOUT", 1.0)
    with pytest.raises(MaintenanceError, match=says):
        rendering.render(template, {"s": "x" * 1000}, name="shop.yaml.j2")
    assert rendering.render("{{ 2 * 3 }}", {}, name="shop.yaml.j2") == "6"


def test_a_template_copied_from_a_route_in_maintenance_is_not_in_maintenance() -> None:
    noted = {"maintenance-ci/route": "shop", "maintenance-ci/strategy": "repoint", "team": "a"}
    labels = {"maintenance-ci/route": "shop", "app": "shop"}
    manifest = {
        "kind": "Route",
        "metadata": {"name": "shop", "annotations": noted, "labels": labels},
        "spec": {"host": "h.example.test", "to": {"kind": "Service", "name": "shop"}},
    }
    restored = restored_from(json.dumps(manifest))
    assert restored["metadata"]["annotations"] == {"team": "a"}
    assert restored["metadata"]["labels"] == {"app": "shop"}
