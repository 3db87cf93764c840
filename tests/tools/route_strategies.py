"""Routes as Hypothesis draws them: whatever the API takes, and the manifests that are written for it."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from maintenance_ci.plan.mirrored_metadata import CERTIFICATE_ANNOTATIONS, HOST_ANNOTATIONS, ROUTER_ANNOTATIONS
from tests.tools.certificates import issued

Object = dict[str, Any]

NAMESPACE = "web"

dns_labels = st.from_regex(r"[a-z0-9]([-a-z0-9]{0,12}[a-z0-9])?", fullmatch=True)
names = st.one_of(
    dns_labels, st.lists(dns_labels, min_size=1, max_size=3).map(".".join), st.integers(64, 227).map(lambda n: "r" * n)
)
hosts = dns_labels.map("{}.apps.example.test".format)
label_values = st.from_regex(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?", fullmatch=True)
# Everything that is text, for the server; and what looks like another thing to a parser of YAML or of Jinja2.
texts = st.one_of(
    st.text(max_size=20), st.sampled_from(["true", "1e3", "null", "2026-11-23", "{{ 1 }}", "a: b", "🙏\u2028"])
)
segments = st.lists(st.from_regex(r"[A-Za-z0-9._~-]{1,8}", fullmatch=True), min_size=1, max_size=3)
paths = st.one_of(st.just("/"), segments.map(lambda parts: "/" + "/".join(parts)))

# Names by which deployment tools know their objects.
TRACKING = (
    "app.kubernetes.io/instance",
    "app.kubernetes.io/managed-by",
    "argocd.argoproj.io/instance",
    "argocd.argoproj.io/tracking-id",
    "helm.sh/chart",
    "kubectl.kubernetes.io/last-applied-configuration",
    "kustomize.toolkit.fluxcd.io/name",
    "meta.helm.sh/release-name",
    "meta.helm.sh/release-namespace",
)
OURS = ("maintenance-ci/route", "maintenance-ci/strategy", "maintenance-ci/pipeline", "maintenance-ci/pipeline-url")
label_names = st.sampled_from(["app", "shard", "tier", *TRACKING[:5], TRACKING[6], *OURS[:1]])
annotation_names = st.sampled_from(
    [
        *ROUTER_ANNOTATIONS,
        *(f"{name}x" if name.endswith("/") else name for name in HOST_ANNOTATIONS),
        *TRACKING,
        *OURS,
        "openshift.io/host.generated",
        "description",
    ]
)


def backends() -> st.SearchStrategy[Object]:
    return st.fixed_dictionaries(
        {"name": dns_labels}, optional={"kind": st.just("Service"), "weight": st.one_of(st.none(), st.integers(0, 256))}
    )


def headers() -> st.SearchStrategy[Object]:
    action = st.sampled_from(
        [{"type": "Delete"}, {"type": "Set", "set": {"value": "DENY"}}, {"type": "Set", "set": {"value": "pass-1234"}}]
    )
    name = st.sampled_from(["X-Frame-Options", "Content-Security-Policy", "Cache-Control", "Authorization"])
    one = st.fixed_dictionaries({"name": name, "action": action})
    listed = st.lists(one, min_size=1, max_size=3, unique_by=lambda one: one["name"])
    actions = st.fixed_dictionaries({}, optional={"request": listed, "response": listed})
    return st.fixed_dictionaries({"actions": actions})


@st.composite
def tls(draw: st.DrawFn, terminations: tuple[str, ...] = ("edge", "Edge", "reencrypt", "passthrough")) -> Object:
    termination = draw(st.sampled_from(terminations))
    drawn: Object = {"termination": termination}
    policies = ["None", "Redirect", ""] + (["Allow"] if termination != "passthrough" else [])
    drawn |= draw(st.fixed_dictionaries({}, optional={"insecureEdgeTerminationPolicy": st.sampled_from(policies)}))
    if termination == "passthrough":
        return drawn
    certificate = st.sampled_from([{}, issued(2024), issued(2026), {**issued(2025), "caCertificate": "a CA"}])
    secret = dns_labels.map(lambda name: {"externalCertificate": {"name": name}})
    drawn |= draw(st.one_of(certificate, secret))
    if termination == "reencrypt":
        drawn |= draw(st.fixed_dictionaries({}, optional={"destinationCACertificate": st.just("the Pods' CA")}))
    return drawn


@st.composite
def routes(draw: st.DrawFn, *, passthrough: bool = True) -> Object:
    """A Route's manifest that the API takes."""
    metadata = {
        "name": draw(names),
        "namespace": NAMESPACE,
        **draw(
            st.fixed_dictionaries(
                {},
                optional={
                    "labels": st.dictionaries(label_names, label_values, max_size=4),
                    "annotations": st.dictionaries(annotation_names, texts, max_size=6),
                },
            )
        ),
    }
    terminations = ("edge", "Edge", "reencrypt") + (("passthrough",) if passthrough else ())
    spec = {"host": draw(hosts), "to": draw(backends())} | draw(
        st.fixed_dictionaries(
            {},
            optional={
                "path": st.one_of(st.just(""), paths),
                "subdomain": dns_labels,
                "alternateBackends": st.lists(backends(), max_size=3),
                "port": st.one_of(st.integers(1, 65535), dns_labels).map(lambda port: {"targetPort": port}),
                "tls": tls(terminations),
                "wildcardPolicy": st.sampled_from(["None", "Subdomain", ""]),
                "httpHeaders": headers(),
            },
        )
    )
    if (spec.get("tls") or {}).get("termination") == "passthrough":
        spec.pop("path", None)
        spec.pop("httpHeaders", None)
    if any(name.startswith(tuple(CERTIFICATE_ANNOTATIONS)) for name in metadata.get("annotations") or {}) or (
        {"certificate", "externalCertificate"} & (spec.get("tls") or {}).keys()
    ):
        # Longer ones are refused: the router has no file for their certificates.
        metadata["name"] = metadata["name"][:200].rstrip("-.")
    return {"apiVersion": "route.openshift.io/v1", "kind": "Route", "metadata": metadata, "spec": spec}
