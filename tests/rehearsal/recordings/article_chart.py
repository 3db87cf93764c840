"""The chart that the recorded Helms installed, written back from the bodies of their requests."""

from __future__ import annotations

from pathlib import Path

NAME = "maintenance-page"
TEMPLATES = """\
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: maintenance-page, labels: {app: maintenance-page}}
spec:
  podSelector: {matchLabels: {app: maintenance-page}}
  policyTypes: [Ingress]
  ingress: [{ports: [{port: 8080, protocol: TCP}]}]
---
apiVersion: v1
kind: Service
metadata: {name: maintenance-page, labels: {app: maintenance-page}}
spec: {selector: {app: maintenance-page}, ports: [{name: http, port: 8080}]}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: maintenance-page
  labels: {app: maintenance-page, version: {{ .Values.imageTag | quote }}}
  annotations:
    image.openshift.io/triggers: |-
      [
        {
          "from": {
          "kind": "ImageStreamTag",
          "name": "maintenance-page:latest"
          },
          "fieldPath": "spec.template.spec.containers[0].image"
        }
      ]
spec:
  replicas: 1
  strategy: {type: RollingUpdate}
  selector: {matchLabels: {app: maintenance-page}}
  template:
    metadata: {name: maintenance-page, labels: {app: maintenance-page}}
    spec:
      containers:
        - name: maintenance-page
          image: maintenance-page:latest
          imagePullPolicy: Always
          ports: [{name: http, containerPort: 8080}]
          resources: {requests: {memory: 12Mi}, limits: {memory: 24Mi}}
---
apiVersion: build.openshift.io/v1
kind: BuildConfig
metadata: {name: maintenance-page, labels: {app: maintenance-page, version: {{ .Values.imageTag | quote }}}}
spec:
  failedBuildsHistoryLimit: 5
  nodeSelector: null
  output:
    pushSecret: {name: docker-registry-secret}
    to: {kind: ImageStreamTag, name: "maintenance-page:{{ .Values.imageTag }}"}
  source: {type: Binary, binary: {}}
  strategy: {type: Docker, dockerStrategy: {}}
  triggers: []
---
apiVersion: image.openshift.io/v1
kind: ImageStream
metadata: {name: maintenance-page, labels: {app: maintenance-page}}
"""


def write_chart(folder: Path) -> Path:
    """Write the chart under ``folder``, and return its directory."""
    chart = folder / "article-chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(f"{{apiVersion: v2, name: {NAME}, version: 0.0.1}}\n")
    (chart / "templates" / "all.yaml").write_text(TEMPLATES)
    return chart
