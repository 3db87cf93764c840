"""The server as the real Helm finds it: install, upgrade, the list of releases, a conflict, uninstall."""

from __future__ import annotations

import json
from pathlib import Path

from maintenance_ci.rehearsal.tools import helm_path
from tests.rehearsal.apiserver.conftest import Api

TEMPLATE = """
apiVersion: v1
kind: Service
metadata: {name: page}
spec: {selector: {app: page}, ports: [{name: http, port: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: page, labels: {version: {{ .Values.version | quote }}}}
spec:
  replicas: 1
  selector: {matchLabels: {app: page}}
  template:
    metadata: {labels: {app: page}}
    spec:
      containers:
        - {name: page, image: "page:{{ .Values.version }}", ports: [{name: http, containerPort: 8080}]}
---
apiVersion: build.openshift.io/v1
kind: BuildConfig
metadata: {name: page}
spec:
  nodeSelector: null
  output: {to: {kind: ImageStreamTag, name: "page:{{ .Values.version }}"}}
  source: {type: Binary, binary: {}}
  strategy: {type: Docker, dockerStrategy: {}}
  triggers: []
---
apiVersion: image.openshift.io/v1
kind: ImageStream
metadata: {name: page}
"""
KINDS = ("services", "deployments", "buildconfigs", "imagestreams", "secrets")


def write_chart(folder: Path) -> str:
    (folder / "chart" / "templates").mkdir(parents=True)
    (folder / "chart" / "Chart.yaml").write_text("{apiVersion: v2, name: page, version: 0.1.0}\n")
    (folder / "chart" / "templates" / "all.yaml").write_text(TEMPLATE)
    return str(folder / "chart")


def test_a_release_from_its_install_to_its_end(api: Api) -> None:
    helm, chart = helm_path(), write_chart(api.folder)
    upgrade = ("upgrade", "-i", "page", chart, "--set-string")
    first = api.run(helm, *upgrade, "version=1")
    assert first.returncode == 0, first.stderr
    second = api.run(helm, *upgrade, "version=2")
    assert second.returncode == 0, second.stderr
    third = api.run(helm, *upgrade, "version=2")
    assert third.returncode == 0, third.stderr

    deployment = api.call(api.server.store.get, "deployments", "shop", "page")
    assert deployment["metadata"]["generation"] == 2
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "page:2"
    [release] = json.loads(api.run(helm, "list", "-o", "json").stdout)
    assert (release["name"], release["revision"], release["status"]) == ("page", "3", "deployed")

    removed = api.run(helm, "uninstall", "page")
    assert removed.returncode == 0, removed.stderr
    assert [api.call(api.server.store.list, kind, "shop") for kind in KINDS] == [[]] * len(KINDS)


def test_an_image_that_a_controller_wrote_stops_the_next_upgrade(api: Api) -> None:
    helm, chart = helm_path(), write_chart(api.folder)
    upgrade = ("upgrade", "-i", "page", chart, "--set-string", "version=1")
    assert api.run(helm, *upgrade).returncode == 0
    live = json.loads(json.dumps(api.call(api.server.store.get, "deployments", "shop", "page")))
    live["spec"]["template"]["spec"]["containers"][0]["image"] = "registry/page@sha256:1"
    api.call(api.server.store.update, "deployments", live, manager="openshift-controller-manager")
    stopped = api.run(helm, *upgrade)
    assert stopped.returncode == 1
    assert 'conflict with "openshift-controller-manager" using apps/v1' in stopped.stderr
