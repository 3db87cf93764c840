from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path

import pytest

from maintenance_ci.rehearsal.apiserver import protobuf
from maintenance_ci.rehearsal.apiserver.errors import ApiError

RECORDED = Path(__file__).parent / "helm4-release-secret.base64"


def field(number: int, content: bytes | str) -> bytes:
    """One length-delimited field, written by hand."""
    data = content.encode() if isinstance(content, str) else content
    return bytes([number << 3 | 2, len(data)]) + data


def message(kind: str, raw: bytes, version: str = "v1") -> bytes:
    return protobuf.MAGIC + field(1, field(1, version) + field(2, kind)) + field(2, raw)


def test_the_secret_that_helm_4_sends() -> None:
    secret = protobuf.decode(base64.b64decode(RECORDED.read_text()))
    assert secret["metadata"] == {
        "name": "sh.helm.release.v1.maintenance-page.v1",
        "labels": {
            "createdAt": "1795416373",
            "name": "maintenance-page",
            "owner": "helm",
            "status": "pending-install",
            "version": "1",
        },
    }
    assert secret["apiVersion"] == "v1"
    assert secret["kind"] == "Secret"
    assert secret["type"] == "helm.sh/release.v1"
    release = json.loads(gzip.decompress(base64.b64decode(base64.b64decode(secret["data"]["release"]))))
    assert release["name"] == "maintenance-page"
    assert release["info"]["status"] == "pending-install"


def test_the_options_of_a_delete() -> None:
    preconditions = field(2, field(1, "1-2-3"))
    body = message("DeleteOptions", preconditions + field(4, "Background") + field(5, "All"))
    assert protobuf.decode(body) == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "preconditions": {"uid": "1-2-3"},
        "propagationPolicy": "Background",
        "dryRun": ["All"],
    }


def test_what_kubectl_asks_about_rights() -> None:
    attributes = field(1, "shop") + field(2, "create") + field(3, "route.openshift.io") + field(5, "routes")
    body = message("SelfSubjectAccessReview", field(2, field(1, attributes)), "authorization.k8s.io/v1")
    assert protobuf.decode(body)["spec"] == {
        "resourceAttributes": {
            "namespace": "shop",
            "verb": "create",
            "group": "route.openshift.io",
            "resource": "routes",
        }
    }


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{}", 400),
        (protobuf.MAGIC + b"\xff\xff", 400),
        (message("Secret", b"\xff\xff"), 400),
        (message("Deployment", b"", "apps/v1"), 415),
    ],
)
def test_what_cannot_be_read(body: bytes, code: int) -> None:
    with pytest.raises(ApiError) as refused:
        protobuf.decode(body)
    assert refused.value.code == code
