"""Defaults and rules of all kinds but Routes. Objects and messages are as recorded on a real OpenShift 4.21."""

from __future__ import annotations

import base64

import pytest

from maintenance_ci.rehearsal.apiserver.errors import ApiError
from maintenance_ci.rehearsal.apiserver.kinds import imagestreamtags
from maintenance_ci.rehearsal.apiserver.kinds.budgets import desired_healthy
from maintenance_ci.rehearsal.apiserver.store import Object, Store
from tests.rehearsal.apiserver.facts import NAMESPACE, create

DIGEST = "sha256:24a7b0dfa2ca9a1a0d6d5e50e8c7a1a443c5254c7578e2ba416c0b699bb25358"
REPOSITORY = "image-registry.openshift-image-registry.svc:5000/facts/page"


def test_a_deployment_gets_its_defaults() -> None:
    container = {"name": "page", "image": "page:latest", "ports": [{"containerPort": 8080}]}
    labels = {"matchLabels": {"app": "page"}}
    template = {"metadata": {"labels": {"app": "page"}}, "spec": {"containers": [container]}}
    made = create("deployments", "page", spec={"selector": labels, "template": template})
    assert made["spec"] == {
        "replicas": 1,
        "selector": labels,
        "template": {
            "metadata": {"labels": {"app": "page"}},
            "spec": {
                "containers": [
                    {
                        "name": "page",
                        "image": "page:latest",
                        "ports": [{"containerPort": 8080, "protocol": "TCP"}],
                        "resources": {},
                        "terminationMessagePath": "/dev/termination-log",
                        "terminationMessagePolicy": "File",
                        "imagePullPolicy": "Always",
                    }
                ],
                "restartPolicy": "Always",
                "terminationGracePeriodSeconds": 30,
                "dnsPolicy": "ClusterFirst",
                "securityContext": {},
                "schedulerName": "default-scheduler",
            },
        },
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}},
        "revisionHistoryLimit": 10,
        "progressDeadlineSeconds": 600,
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("page", "Always"),
        ("registry:5000/page", "Always"),
        ("page:latest", "Always"),
        ("page:v1", "IfNotPresent"),
        (f"registry:5000/page@{DIGEST}", "IfNotPresent"),
    ],
)
def test_when_an_image_is_pulled(image: str, policy: str) -> None:
    pod = create("pods", "page", spec={"containers": [{"name": "page", "image": image}]})
    assert pod["spec"]["containers"][0]["imagePullPolicy"] == policy
    assert pod["status"]["phase"] == "Pending"


def test_a_deployment_whose_selector_does_not_fit_is_refused() -> None:
    template = {"metadata": {"labels": {"app": "b"}}, "spec": {"containers": [{"name": "x"}]}}
    with pytest.raises(ApiError, match="`selector` does not match template `labels`"):
        create("deployments", "page", spec={"selector": {"matchLabels": {"app": "a"}}, "template": template})


def test_a_service_gets_an_address_for_good() -> None:
    store = Store()
    made = create("services", "page", store, spec={"ports": [{"port": 8080, "name": "http"}]})
    assert made["spec"]["ports"] == [{"port": 8080, "name": "http", "protocol": "TCP", "targetPort": 8080}]
    assert made["spec"]["type"] == "ClusterIP"
    changed = store.update("services", {**made, "spec": {"ports": [{"port": 80}]}}, manager="test")
    assert changed["spec"]["clusterIP"] == made["spec"]["clusterIP"]


@pytest.mark.parametrize("policy", ["SingleStack", "PreferDualStack"])
def test_a_service_keeps_its_wish_for_ip_families(policy: str) -> None:
    store = Store()
    made = create("services", "page", store, spec={"ipFamilyPolicy": policy, "ports": [{"port": 80}]})
    assert (made["spec"]["ipFamilyPolicy"], made["spec"]["ipFamilies"]) == (policy, ["IPv4"])
    other = {**made, "spec": {"ipFamilyPolicy": "PreferDualStack", "ports": [{"port": 80}]}}
    assert store.update("services", other, manager="test")["spec"]["ipFamilyPolicy"] == "PreferDualStack"
    silent = {**made, "spec": {"ports": [{"port": 80}]}, "metadata": {"name": "page", "namespace": NAMESPACE}}
    assert store.update("services", silent, manager="test")["spec"]["ipFamilyPolicy"] == "PreferDualStack"


@pytest.mark.parametrize(
    ("policy", "why"),
    [("RequireDualStack", "not configured for dual-stack services"), ("Both", "supported values")],
)
def test_a_cluster_of_one_ip_family_refuses_a_service_that_must_have_both(policy: str, why: str) -> None:
    with pytest.raises(ApiError, match=why):
        create("services", "page", spec={"ipFamilyPolicy": policy, "ports": [{"port": 80}]})


def test_a_budget_lets_nobody_take_a_pod_before_its_controller_has_looked() -> None:
    made = create("poddisruptionbudgets", "page", spec={"maxUnavailable": 1, "selector": {}})
    assert made["apiVersion"] == "policy/v1"
    assert made["metadata"]["generation"] == 1
    assert made["status"]["disruptionsAllowed"] == 0


@pytest.mark.parametrize(
    ("spec", "why"),
    [
        ({"maxUnavailable": 1, "minAvailable": 1}, "cannot be both set"),
        ({"maxUnavailable": -1}, "must be greater than or equal to 0"),
        ({"minAvailable": "half"}, "a valid percent string"),
        ({"minAvailable": "101%"}, "must not be greater than 100%"),
        ({"unhealthyPodEvictionPolicy": "Never"}, "Unsupported value"),
    ],
)
def test_a_budget_that_is_refused(spec: dict[str, object], why: str) -> None:
    with pytest.raises(ApiError, match=why):
        create("poddisruptionbudgets", "page", spec={**spec, "selector": {}})


@pytest.mark.parametrize(
    ("bound", "desired"),
    [
        ({"maxUnavailable": 1}, [0, 0, 1, 2]),
        ({"maxUnavailable": "50%"}, [0, 0, 1, 1]),
        ({"minAvailable": 1}, [1, 1, 1, 1]),
        ({"minAvailable": "50%"}, [0, 1, 1, 2]),
    ],
)
def test_how_many_pods_must_stay(bound: dict[str, object], desired: list[int]) -> None:
    assert [desired_healthy({"spec": bound}, expected) for expected in range(4)] == desired


def test_secrets_hold_base64() -> None:
    secret = create("secrets", "s", stringData={"a": "b"})
    assert (secret["type"], secret["data"]) == ("Opaque", {"a": base64.b64encode(b"b").decode()})
    assert "stringData" not in secret
    with pytest.raises(ApiError, match="illegal base64"):
        create("secrets", "s", data={"a": "no base64!"})


def test_metadata_rules() -> None:
    with pytest.raises(ApiError, match=r"metadata\.name: Invalid value"):
        create("configmaps", "Not_Valid")
    create("configmaps", "x" * 76)
    with pytest.raises(ApiError, match="must be no more than 63"):
        Store().create("configmaps", {"metadata": {"name": "x", "labels": {"a": "x" * 64}}}, manager="test")


def test_a_build_config_as_recorded() -> None:
    output = {"to": {"kind": "ImageStreamTag", "name": "page:v1"}}
    source, strategy = {"type": "Binary", "binary": {}}, {"type": "Docker", "dockerStrategy": {}}
    made = create("buildconfigs", "page", spec={"source": source, "strategy": strategy, "output": output})
    assert made["spec"] == {
        "runPolicy": "Serial",
        "source": source,
        "strategy": strategy,
        "output": output,
        "resources": {},
        "postCommit": {},
        "nodeSelector": None,
        "successfulBuildsHistoryLimit": 5,
        "failedBuildsHistoryLimit": 5,
    }
    assert made["status"] == {"lastVersion": 0}
    assert made["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"] == {
        "f:output": {"f:to": {}},
        "f:runPolicy": {},
        "f:source": {"f:binary": {}, "f:type": {}},
        "f:strategy": {"f:dockerStrategy": {}, "f:type": {}},
    }


def pushed(store: Store, tag: str = "v1", image: str = DIGEST) -> Object:
    stream = store.find("imagestreams", NAMESPACE, "page") or create("imagestreams", "page", store)
    item = {"created": "2026-11-23T07:35:57Z", "dockerImageReference": f"{REPOSITORY}@{image}"}
    item |= {"image": image, "generation": stream["metadata"]["generation"]}
    known = [one for one in stream["status"].get("tags", []) if one["tag"] != tag]
    status = {**stream["status"], "tags": [*known, {"tag": tag, "items": [item]}]}
    return store.update("imagestreams", {**stream, "status": status}, manager="test", subresource="status")


def tagged(store: Store, stream: Object, name: str, source: Object) -> Object:
    return store.update("imagestreams", imagestreamtags.with_tag(stream, name, {"tag": {"from": source}}), manager="x")


def test_an_image_stream_as_recorded() -> None:
    stream = create("imagestreams", "page")
    assert stream["spec"] == {"lookupPolicy": {"local": False}}
    assert stream["status"] == {"dockerImageRepository": REPOSITORY}
    assert "managedFields" not in stream["metadata"]


def test_a_pinned_tag_is_resolved_at_once() -> None:
    store = Store()
    source = {"kind": "ImageStreamImage", "namespace": NAMESPACE, "name": f"page@{DIGEST}"}
    stream = tagged(store, pushed(store), "latest", source)
    assert stream["spec"]["tags"] == [
        {
            "name": "latest",
            "annotations": None,
            "from": source,
            "generation": 2,
            "importPolicy": {"importMode": "Legacy"},
            "referencePolicy": {"type": "Source"},
        }
    ]
    latest = stream["status"]["tags"][0]
    assert latest["tag"] == "latest"
    assert (latest["items"][0]["image"], latest["items"][0]["generation"]) == (DIGEST, 2)
    # The same again: no new item, no new generation.
    assert tagged(store, stream, "latest", source) == stream


def test_a_tag_of_a_tag_follows_it() -> None:
    store = Store()
    create("imagestreams", "page", store)
    stream = tagged(
        store, store.get("imagestreams", NAMESPACE, "page"), "latest", {"kind": "ImageStreamTag", "name": "page:v1"}
    )
    assert "tags" not in stream["status"]
    first = pushed(store)
    assert [(one["tag"], one["items"][0]["image"]) for one in first["status"]["tags"]] == [
        ("latest", DIGEST),
        ("v1", DIGEST),
    ]
    second = pushed(store, image="sha256:2")
    assert [item["image"] for item in second["status"]["tags"][0]["items"]] == ["sha256:2", DIGEST]


def test_a_tag_from_a_registry_waits_for_its_import() -> None:
    store = Store()
    create("imagestreams", "page", store)
    source = {"kind": "DockerImage", "name": "registry.example.test/page:v1"}
    stream = tagged(store, store.get("imagestreams", NAMESPACE, "page"), "latest", source)
    assert "tags" not in stream["status"]
    assert stream["spec"]["tags"][0]["generation"] == 2
    again = imagestreamtags.with_tag(stream, "latest", {"tag": {"from": source, "generation": 0}})
    assert store.update("imagestreams", again, manager="x")["spec"]["tags"][0]["generation"] == 3


def test_the_view_of_a_tag_that_points_to_nothing_as_recorded() -> None:
    store = Store()
    create("imagestreams", "page", store)
    stream = tagged(
        store, store.get("imagestreams", NAMESPACE, "page"), "latest", {"kind": "ImageStreamTag", "name": "page:v1"}
    )
    view = imagestreamtags.tag_view(stream, "latest", lambda _: None)
    assert view["generation"] == 0
    assert view["metadata"]["name"] == "page:latest"
    assert view["metadata"]["uid"] == stream["metadata"]["uid"]
    assert view["image"] == {
        "metadata": {},
        "dockerImageMetadata": {
            "kind": "DockerImage",
            "apiVersion": "image.openshift.io/1.0",
            "Id": "",
            "Created": None,
            "ContainerConfig": {},
        },
        "dockerImageMetadataVersion": "1.0",
    }


def test_the_view_of_a_pushed_image() -> None:
    store = Store()
    image = {"metadata": {"name": DIGEST}, "dockerImageReference": "elsewhere", "dockerImageMetadataVersion": "1.0"}
    made = store.create("images", image, manager="test")
    view = imagestreamtags.tag_view(pushed(store), "v1", lambda name: store.find("images", "", name))
    assert view["tag"] is None
    assert view["metadata"]["creationTimestamp"] == "2026-11-23T07:35:57Z"
    kept = {name: made["metadata"][name] for name in ("name", "uid", "resourceVersion", "creationTimestamp")}
    assert view["image"] == {
        "metadata": kept,
        "dockerImageReference": f"{REPOSITORY}@{DIGEST}",
        "dockerImageMetadataVersion": "1.0",
    }
    assert imagestreamtags.image_view(pushed(store), "sha256:unknown", lambda _: None) is None
