"""Templates as teams have them: what `oc process | oc apply`, or `oc apply`, takes, and what they refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from maintenance_ci.errors import MaintenanceError, VariableError
from maintenance_ci.names import notes
from maintenance_ci.plan.comparison import differences
from maintenance_ci.plan.page_route import our_labels
from maintenance_ci.rehearsal.apiserver.kinds.templates import process
from maintenance_ci.templates.file import read_template
from maintenance_ci.templates.rendering import read_rendered
from maintenance_ci.templates.route import (
    ElsewhereError,
    TemplateRoute,
    expected_route,
    template_to_process,
    with_host,
)
from tests.tools.served_routes import live

FOLDER = Path(__file__).parent / "template_cases"
HOST = "shop.apps.example.test"
TO = {"kind": "Service", "name": "shop"}
EDGE = {"termination": "edge"}
REDIRECTED = {"termination": "edge", "insecureEdgeTerminationPolicy": "Redirect"}
NESTED = {"app": {"name": "shop"}, "gateway": {"domain": {"base": "apps.example.test"}}}


def template_route_of(
    text: str, path: str = "shop.yaml", name: str = "shop", foreign_parameters: bool = False, **values: Any
) -> TemplateRoute:
    """The Route that the jobs make of a template, without the host of another Route."""
    file = read_rendered(text, path=path, values={"route_name": name, "namespace": "web", **values})
    objects = [route.manifest for route in file.routes]
    if file.template:
        processed, causes = process(template_to_process(file, values, foreign_parameters=foreign_parameters))
        assert not causes
        objects = processed["objects"]
    return expected_route(file, objects, name=name, namespace="web")


def rendered(text: str, path: str = "shop.yaml", **values: Any) -> tuple[dict[str, Any], str]:
    """The same, with what the jobs say of it."""
    template_route = template_route_of(text, path, **values)
    return template_route.route, "; ".join(template_route.remarks)


def case(name: str) -> str:
    return (FOLDER / name).read_text()


TAKEN: dict[str, dict[str, Any]] = {
    "01-no-host.yaml": {"to": TO, "tls": EDGE},
    "02-empty-host.json": {"host": "", "to": TO},
    "03-two-documents.yaml": {"host": HOST, "to": TO, "tls": EDGE},
    "04-list-kind-last.yaml": {"to": TO, "tls": EDGE},
    "05-template-v1-one-route.yaml": {"host": HOST, "to": TO, "tls": REDIRECTED},
    "06-template-v1-whole-application.yaml": {"path": "/", "to": TO, "tls": {"termination": "edge", "certificate": ""}},
    "07-tab-after-a-value.yaml": {"host": HOST, "to": TO},
    "08-json-with-tabs.yaml": {"host": HOST, "to": TO},
    "09-unquoted-times.yaml": {"host": HOST, "to": TO},
    "10-tls-without-termination.yaml": {"host": HOST, "to": TO, "tls": REDIRECTED},
    "11-nested-variables.yaml.j2": {"host": HOST, "to": TO},
}
ROUTE_V1, TEMPLATE_V1 = "write route.openshift.io/v1", "write template.openshift.io/v1"
OLD = "oc from 4.17 on does not take it, here it is taken: "
# What the log says: what was left alone, and which line to correct.
REMARKS = {
    "02-empty-host.json": f"{OLD}02-empty-host.json:1:33: {ROUTE_V1}",
    "03-two-documents.yaml": "03-two-documents.yaml: 1 Route, 1 other object ignored",
    "04-list-kind-last.yaml": "04-list-kind-last.yaml: 1 Route, 1 other object ignored; "
    f"{OLD}04-list-kind-last.yaml:7:17: {ROUTE_V1}",
    "05-template-v1-one-route.yaml": f"{OLD}05-template-v1-one-route.yaml:1:13: {TEMPLATE_V1}, "
    f"05-template-v1-one-route.yaml:7:17: {ROUTE_V1}",
    "06-template-v1-whole-application.yaml": "06-template-v1-whole-application.yaml: 1 Route, 2 other objects ignored; "
    f"{OLD}06-template-v1-whole-application.yaml:1:13: {TEMPLATE_V1}, "
    f"06-template-v1-whole-application.yaml:15:17: {ROUTE_V1}",
}


@pytest.mark.parametrize("name", TAKEN)
def test_what_teams_have_is_taken(name: str) -> None:
    template_route, remarks = rendered(case(name), path=name, **(NESTED if name.endswith(".j2") else {}))
    assert template_route["spec"] == TAKEN[name]
    assert remarks == REMARKS.get(name, "")


@pytest.mark.parametrize("name", TAKEN)
def test_a_live_route_of_the_same_file_is_no_difference(name: str) -> None:
    """The live Route is as the API completes it."""
    template_route = template_route_of(case(name), path=name, **(NESTED if name.endswith(".j2") else {}))
    live_route = live(template_route.route)
    complete = with_host(template_route, {"the live Route": live_route}).route
    assert differences(complete, live_route) == []
    assert complete["spec"]["host"] == live_route["spec"]["host"]


def test_times_are_text_and_what_only_a_server_writes_is_dropped() -> None:
    route, _ = rendered(case("09-unquoted-times.yaml"))
    assert route["metadata"] == {
        "name": "shop",
        "namespace": "web",
        "labels": {"version": "2024-01-01"},
        "annotations": {"example.test/reviewed": "2024-03-01", "example.test/window": "12:30"},
    }
    assert route.keys() == {"apiVersion", "kind", "metadata", "spec"}


HELM = "holds {{ }}: the name of a Jinja2 template ends in .j2; Helm's syntax is not understood."
ID = "15-parameter-that-does-not-exist.yaml"
REFUSED = {
    "12-jinja2-called-yaml.yaml": f"The template 12-jinja2-called-yaml.yaml:3:18 {HELM}",
    "13-helm-source.yaml": f"The template 13-helm-source.yaml:1:1 {HELM}",
    "14-broken.yaml": "The template 14-broken.yaml is not YAML: 14-broken.yaml:3:1: did not find expected key.",
    ID: f"The template {ID} is not right: {ID}:7:22: metadata.name: ${{Id}} is no parameter of the Template (ID is).",
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_taken_is_refused(name: str) -> None:
    with pytest.raises(MaintenanceError) as caught:
        rendered(case(name), path=name, name="shop-1" if name == ID else "shop")
    assert caught.value.what == REFUSED[name]


def route(metadata: str = "{name: shop}", spec: str = "", version: str = "route.openshift.io/v1") -> str:
    to = "" if "to:" in spec else "  to: {name: shop}\n"
    return f"apiVersion: {version}\nkind: Route\nmetadata: {metadata}\nspec:\n{to}  host: {HOST}\n{spec}"


def template(objects: str, parameters: str = "[]", more: str = "") -> str:
    return (
        f"apiVersion: template.openshift.io/v1\nkind: Template\nobjects:\n{objects}\nparameters: {parameters}\n{more}"
    )


OBJECT = "- {{apiVersion: v1, kind: Route, metadata: {{name: {0}}}, spec: {{host: {1}, to: {{name: shop}}}}}}"
A_ROUTE = OBJECT.format("shop", HOST)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (route("{name: shop, labels: {a: 1}}"), "t:3:36: metadata.labels.a: input should be text: put it in quotes"),
        (route("{name: shop, annotations: {a: yes}}"), "t:3:41: metadata.annotations.a: input should be text"),
        (route("{name: 5}"), "t:3:18: metadata.name: input should be text"),
        (route(spec="  port: {targetPort: 8080.5}\n"), "t:7:22: spec.port.targetPort: must be a port's name or number"),
        (route(spec="  to: shop\n"), "t:6:7: spec.to: input should be a mapping"),
        (route(spec="  to: {kind: Service}\n"), "t:6:7: spec.to.name: is missing"),
        (route(spec="  tls: {termination: 5}\n"), "t:7:22: spec.tls.termination: input should be text"),
        (route(spec='  to: {name: shop, weight: "100"}\n'), "t:6:28: spec.to.weight: input should be a whole number"),
        (route() + "---\n" + route(), "t holds Route shop 2 times: t:1:1, t:8:1."),
        (route() + "---\nhunter2\n", "t:8:1: it must be a mapping with apiVersion and kind"),
        (route() + "---\na: hunter2\n", "t:8:1: kind: is missing"),
        ("kind: List\nitems:\n- kind: List\n  items: []\n", "t:3:3: a List inside of a List"),
        ("kind: List\nitems: {hunter2: x}\n", "t:2:8: items: must be a list"),
        (route("{name: other}"), "t renders to another Route than shop of web: other."),
        (route("{name: shop, namespace: test}"), "another Route than shop of web: it is for namespace test."),
        (route(version="serving.knative.dev/v1"), "must hold one Route or one Template with a Route: it holds only 1"),
        (template(A_ROUTE) + "---\n" + route(), "t:1:1: a Template must be alone in its file"),
        (template(A_ROUTE, "[{name: A, value: 8080}]"), "t:5:31: parameters.0.value: input should be text"),
        (template(A_ROUTE, "[{value: hunter2}]"), "t:5:14: parameters.0.name: is missing"),
        (template("- hunter2"), "t:4:3: objects.0: input should be a mapping"),
        (template(OBJECT.format("shop", "'${HOSTS}'"), "[{name: HOST}]"), "spec.host: ${HOSTS} is no parameter"),
        (template(A_ROUTE, more="labels: {app: '${App}'}\n"), "t:6:15: labels.app: ${App} is no parameter"),
        (route(spec='  path: "/{{ path }}"\n'), "t:7:9 holds {{ }}"),
        (route(spec="  httpHeaders: hunter2\n"), "t:7:16: spec.httpHeaders: input should be a mapping"),
        (route(spec="  httpHeaders: []\n"), "t:7:16: spec.httpHeaders: input should be a mapping"),
        (route(spec="  httpHeaders: {actions: {request: hunter2}}\n"), "actions.request: input should be a list"),
        (route(spec="  httpHeaders: {actions: {request: [{name: X}]}}\n"), "actions.request.0.action: is missing"),
        (template(OBJECT.format("shop", "'${{HOSTS}}'"), "[{name: HOST}]"), "spec.host: ${HOSTS} is no parameter"),
        (template(OBJECT.format("shop", "'a-${{HOST}}'"), "[{name: HOST, value: h}]"),
         "t:4:70: spec.host: ${{NAME}} stands alone in its field: write ${NAME}"),
        (template(OBJECT.format("shop", "'${HOST}'"), "[{name: A}, {name: HOST, required: true}]"),
         "t:5:25: parameter HOST is required, and has no value: give it one here"),
        (template(A_ROUTE, "[{name: A, generate: hunter2}]"), "t:5:34: parameters.0.generate: input should be expr"),
        (template(A_ROUTE, "[{name: svc-name}]"), "t:5:21: parameters.0.name: may hold letters, digits and _ alone"),
        (template(OBJECT.format("shop", "'${ HOST }'"), "[{name: HOST, value: h}]"),
         "t:4:70: spec.host: a placeholder such as ${NAME} is left"),
        (template(OBJECT.format("shop", "'${HOST}'"), "[{name: HOST, value: 'a.${B}'}, {name: B, value: b}]"),
         "t:4:70: spec.host: a placeholder such as ${NAME} is left"),
        (route(spec="  to: {name: '${APP}'}\n"), "t:6:14: spec.to.name: nobody fills in a placeholder such as ${NAME}"),
        (route("{name: '${APP}'}"), "t:3:18: metadata.name: nobody fills in a placeholder such as ${NAME}"),
        (route().replace("kind: Route", "kind: route"), "t:2:7: kind: write Route"),
        (route(version="route.openshift.io"), "t:1:13: apiVersion: write route.openshift.io/v1"),
        (route(version="route.openshift.io/V1"), "t:1:13: apiVersion: write route.openshift.io/v1"),
        (template(A_ROUTE).replace("template.openshift.io", "template"),
         "t:1:13: apiVersion: write template.openshift.io/v1"),
        (route("{name: shop, annotations: {a: [hunter2]}}"),
         "t:3:41: metadata.annotations.a: input should be text, and is a list or a mapping"),
        (template(OBJECT.format("shop, labels: {a: '${{V}}'}", HOST), "[{name: V, value: '5'}]"),
         "metadata.labels.a: input should be text: write ${NAME} for the parameter, not ${{NAME}}"),
        (template(A_ROUTE.replace("to: {name: shop}", "to: {name: shop, weight: '${V}'}"), "[{name: V, value: '5'}]"),
         "spec.to.weight: input should be a whole number: write ${{NAME}} for the parameter, not ${NAME}"),
        # What YAML bears is not what is wrong.
        ("kind: PrometheusRule\nspec:\n  message: |\n    Pod {{ $labels.pod }}\n\n---\n" + route() + "\tpath: x\n",
         "t is not YAML: t:13:1: found a tab character"),
        (route("{name: shop, annotations: {a: '{{ b }}'}}") + "  path: [hunter2\n", "t:8:1: did not find expected ','"),
    ],
)  # fmt: skip
def test_a_fault_has_a_place_and_a_field_and_no_value(text: str, says: str) -> None:
    with pytest.raises(MaintenanceError) as caught:
        rendered(text, path="t")
    assert says in caught.value.what
    assert "hunter2" not in caught.value.what


def test_the_place_in_a_jinja2_template_is_that_of_the_rendered_text() -> None:
    text = "{# a\nb\nc #}" + route("{name: shop, labels: {a: {{ n }}}}")
    with pytest.raises(MaintenanceError, match=r"t\.j2:3:36 \(of the rendered text\): metadata\.labels\.a: input"):
        rendered(text, path="t.j2", n=7)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("\n{{ secret | int + nobody }}", "t.j2:2 does not render: 'nobody' is undefined."),
        ("{{ {}[secret] }}", "t.j2:1 does not render: 'dict object' has no attribute …."),
        ("\n\n{{ {}['hunter2'] }}", "t.j2:3 does not render: 'dict object' has no attribute …."),
        ("{{ {}['it\\'s hunter2 \"x\"'] }}", "t.j2:1 does not render: 'dict object' has no attribute …."),
        ("{{ a }", "t.j2:1 does not render: unexpected '}'."),
        ("{{ {'hunter2' 1} }}", "t.j2:1 does not render: expected token ':', got 'integer'."),
        ("\n{% hunter2 %}", "t.j2:2 does not render: Encountered unknown tag …."),
        ("{{ '' 'hunter2' }}\n{% for %}", "t.j2:2 does not render: Expected an expression, got 'end of statement"),
        ("{{ 'hunter2'.encode('ascii').decode(secret) }}", "t.j2:1 does not render: LookupError."),
        ("{{ secret | attr(secret) }}", "t.j2:1 does not render: 'str object' has no attribute …."),
        ("a: *hunter2", "t.j2:1:4 (of the rendered text): there is no such anchor"),
    ],
)
def test_jinja2_s_own_words_hold_no_value(text: str, says: str) -> None:
    with pytest.raises(MaintenanceError) as caught:
        rendered(text, path="t.j2", secret="hunter2")
    assert says in caught.value.what
    assert "hunter2" not in caught.value.what


def test_of_a_template_only_its_routes_and_their_parameters_are_sent() -> None:
    text = case("06-template-v1-whole-application.yaml")
    file = read_template(text, path="t")
    sent = template_to_process(file, {"REPLICAS": "3"}, foreign_parameters=False)
    assert [one["kind"] for one in sent["objects"]] == ["Route"]
    assert [one["name"] for one in sent["parameters"]] == ["CERTIFICATE"]
    assert sent["labels"] == {"app": "shop", "app.kubernetes.io/managed-by": "jenkins"}
    assert sent.keys() == {"apiVersion", "kind", "metadata", "labels", "objects", "parameters"}


def test_parameters_of_every_form_are_kept() -> None:
    used = template(
        "- {apiVersion: v1, kind: Route, metadata: {name: shop, annotations: {a: '${A}', '${B}': b}},\n"
        "   spec: {to: {name: '${C}${D}'}, port: {targetPort: '${{PORT}}'}}}",
        "[{name: A, generate: expression, from: '[a-z]{8}'}, {name: B, value: b}, {name: C, value: sh}, "
        "{name: D, value: op}, {name: PORT, value: '8080'}, {name: L, value: l}, {name: NONE, required: true}]",
        "labels: {l: '${L}'}\n",
    )
    file = read_template(used, path="t")
    sent = template_to_process(file, {}, foreign_parameters=False)
    assert [one["name"] for one in sent["parameters"]] == ["A", "B", "C", "D", "PORT", "L"]
    template_route, _ = rendered(used)
    assert template_route["spec"]["port"] == {"targetPort": 8080}
    assert template_route["metadata"]["labels"] == {"l": "l"}
    assert len(template_route["metadata"]["annotations"]["a"]) == 8


def test_what_is_no_parameter_may_stand_beside_the_route_and_in_an_annotation() -> None:
    script = "- {apiVersion: v1, kind: ConfigMap, metadata: {name: x}, data: {run.sh: 'echo ${HOME} ${Id}'}}\n"
    annotated = (
        "- {apiVersion: v1, kind: Route, metadata: {name: shop, annotations: {a: '${HOME}'}}, spec: {to: {name: s}}}"
    )
    assert rendered(template(script + annotated))[0]["metadata"]["annotations"] == {"a": "${HOME}"}


def test_parameters_that_are_given() -> None:
    text = template(OBJECT.format("shop", "'${HOST}'"), "[{name: HOST}, {name: REPLICAS}]")
    assert rendered(text, HOST="a.example.test", REPLICAS="2")[0]["spec"]["host"] == "a.example.test"
    with pytest.raises(MaintenanceError, match="The template t has no parameter NOPE"):
        rendered(text, path="t", NOPE="1")
    assert rendered(text, foreign_parameters=True, HOST="h", NOPE="1")
    assert rendered(text, path="t.j2", HOST="h", NOPE={"a": [1]})  # a variable of Jinja2's
    with pytest.raises(VariableError) as caught:
        rendered(text, HOST=5, REPLICAS={"a": "b"})
    assert caught.value.faults == [
        "ROUTE_TEMPLATE_PARAMETERS: HOST must be text for a Template: put it in quotes",
        "ROUTE_TEMPLATE_PARAMETERS: REPLICAS must be text for a Template: put it in quotes",
    ]


@pytest.mark.parametrize(
    "text",
    [
        route("{name: shop, labels: {}, annotations: null, creationTimestamp: null}") + "status: {ingress: null}\n",
        route(spec="  port: {targetPort: 8080-tcp}\n  wildcardPolicy: None\n  tls:\n  alternateBackends: []\n"),
        route(version="v1").replace("apiVersion: v1\n", ""),
        route().replace("\n", "\r\n"),
        "\ufeff" + route(),
        "---\n# nothing\n---\n" + route() + "---\n",
        route("{name: other}") + "---\n" + route(),
        route("{name: shop, namespace: test}") + "---\n" + route("{name: shop, namespace: web}"),
        route("{name: shop, namespace: web}"),
        "kind: RouteList\napiVersion: v1\nitems:\n- metadata: {name: shop}\n  spec: {host: h, to: {name: shop}}\n",
        "kind: List\nitems:\n- {apiVersion: v1, kind: Secret}\n---\n" + route(),
        route(version="serving.knative.dev/v1") + "---\n" + route(),
        "x: &x {name: shop}\napiVersion: v1\nkind: Route\nmetadata:\n  <<: *x\nspec: {to: *x}\n",
        route("{name: shop, annotations: {note: 'see {{ docs }}'}}"),
        route(spec="  httpHeaders: {actions: {request: [{name: X, action: {type: Set, set: {value: '{{x}}'}}}]}}\n"),
        template(A_ROUTE + "\n- {kind: Deployment, spec: {replicas: '${{REPLICAS}}'}}\n-\n", "[{name: REPLICAS}]"),
    ],
)  # fmt: skip
def test_shapes_of_public_manifests(text: str) -> None:
    template_route, _ = rendered(text)
    assert template_route["metadata"]["name"] == "shop"
    assert template_route["spec"]["to"] == TO
    assert None not in template_route["spec"].values()


def test_a_route_of_another_namespace_is_told_apart() -> None:
    with pytest.raises(ElsewhereError) as caught:
        rendered(route("{name: shop, namespace: test}") + "---\n" + route("{name: shop, namespace: qa}"))
    assert caught.value.namespaces == ["qa", "test"]


def other(host: str, name: str = "shop", **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "web", **metadata}, "spec": {"host": host}}


GENERATED = {"openshift.io/host.generated": "true"}


@pytest.mark.parametrize("spec", ["  host:\n", '  host: ""\n', "  host: null\n"])
def test_an_unknown_host_is_that_of_what_is_there(spec: str) -> None:
    bare = template_route_of(route(spec=spec), "t")
    known = with_host(bare, {"the Route in maintenance": None, "the snapshot": other("a.test")}).route
    assert known["spec"]["host"] == "a.test"
    assert "annotations" not in known["metadata"]
    first = with_host(bare, {"the live Route": other("b.test"), "the snapshot": other("a.test")})
    assert first.route["spec"]["host"] == "b.test"
    assert first.remarks == ("t names no host: it is that of the live Route",)
    with pytest.raises(MaintenanceError, match="The template t names no host, and nothing is there"):
        with_host(bare, {"the Route in maintenance": None, "the snapshot": None})


def test_a_host_in_the_template_is_taken() -> None:
    template_route = template_route_of(route())
    assert with_host(template_route, {"the live Route": other("b.test")}) == template_route


def test_a_generated_host_stays_a_generated_one() -> None:
    bare = template_route_of(route(spec="  host:\n"))
    maintenance_route = other(
        "shop-web.apps.test", "shop-maintenance-page", labels=our_labels("shop"), annotations=notes("shop", "swap")
    )
    snapshot = other("shop-web.apps.test", annotations=GENERATED)
    for others in ({"m": maintenance_route, "s": snapshot}, {"m": maintenance_route}, {"l": snapshot}):
        assert with_host(bare, others).route["metadata"]["annotations"] == GENERATED
    by_hand = other("shop-web.apps.test")
    assert "annotations" not in with_host(bare, {"m": maintenance_route, "s": by_hand}).route["metadata"]
    named = {**maintenance_route, "spec": {"host": "shop.example.test"}}
    assert "annotations" not in with_host(bare, {"m": named}).route["metadata"]


def test_a_subdomain_needs_no_host() -> None:
    bare = template_route_of(route(spec="  host:\n  subdomain: shop\n"))
    assert with_host(bare, {"the live Route": None}) == bare


@pytest.mark.parametrize(
    ("template_tls", "live_tls", "same"),
    [
        ({}, EDGE, True),
        ({"termination": ""}, EDGE, True),
        ({"termination": None}, EDGE, True),
        ({"termination": "EDGE"}, EDGE, True),
        ({"insecureEdgeTerminationPolicy": "Redirect"}, REDIRECTED, True),
        (None, EDGE, False),
        ({}, {"termination": "passthrough"}, False),
    ],
)  # fmt: skip
def test_tls_without_a_termination_is_edge(template_tls: Any, live_tls: dict[str, Any], same: bool) -> None:
    there = {"metadata": {"name": "shop"}, "spec": {"host": HOST, "to": TO, "tls": live_tls}}
    written = {"metadata": {"name": "shop"}, "spec": {"host": HOST, "to": TO, "tls": template_tls}}
    assert (differences(written, there) == []) == same


def test_jinja2_s_function_namespace_works_beside_the_namespace() -> None:
    text = "{% set seen = namespace(n=0) %}{% for i in [1, 2] %}{% set seen.n = seen.n + i %}{% endfor %}"
    metadata = "{name: shop, labels: {count: 'n{{ seen.n }}', in: {{ namespace | toyaml }}}}"
    made, _ = rendered(text + route(metadata), path="t.j2")
    assert made["metadata"]["labels"] == {"count": "n3", "in": "web"}


def test_a_parameter_may_be_the_remedy_for_a_route_that_is_another() -> None:
    other = template(OBJECT.format("'${APP}'", HOST), "[{name: APP, value: other}]")
    with pytest.raises(MaintenanceError) as caught:
        rendered(other, path="t")
    assert caught.value.advice.endswith("or ROUTE_TEMPLATE_PATH, or ROUTE_TEMPLATE_PARAMETERS.")
