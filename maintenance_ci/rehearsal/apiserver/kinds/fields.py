"""The fields that kinds have, as far as anybody here writes them: what ``fieldValidation=Strict`` is held against.

A dict names the fields of an object, a list of one dict those of each item; None is not looked into. The names are
those of the Kubernetes API 1.36 and of OpenShift's API 4.21.
"""

from __future__ import annotations

from typing import Any


def _fields(names: str, **inside: Any) -> dict[str, Any]:
    return dict.fromkeys(names.split()) | inside


def _kind(**inside: Any) -> dict[str, Any]:
    """A kind with what every one has."""
    return _fields("apiVersion kind metadata status", **inside)


SELECTOR = _fields("matchLabels", matchExpressions=[_fields("key operator values")])
ACTIONS = _fields("exec tcpSocket", httpGet=_fields("path port host scheme httpHeaders"), sleep=_fields("seconds"))
PROBE = ACTIONS | _fields(
    "grpc initialDelaySeconds timeoutSeconds periodSeconds successThreshold failureThreshold "
    "terminationGracePeriodSeconds"
)
CONTAINER = _fields(
    "name image command args workingDir envFrom env resizePolicy restartPolicy restartPolicyRules volumeMounts "
    "volumeDevices terminationMessagePath terminationMessagePolicy imagePullPolicy stdin stdinOnce tty",
    ports=[_fields("name hostPort containerPort protocol hostIP")],
    resources=_fields("limits requests claims"),
    livenessProbe=PROBE,
    readinessProbe=PROBE,
    startupProbe=PROBE,
    lifecycle=_fields("stopSignal", postStart=ACTIONS, preStop=ACTIONS),
    securityContext=_fields(
        "capabilities privileged seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot "
        "readOnlyRootFilesystem allowPrivilegeEscalation procMount seccompProfile appArmorProfile"
    ),
)
POD = _fields(
    "volumes ephemeralContainers restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy "
    "nodeSelector serviceAccountName serviceAccount automountServiceAccountToken nodeName hostNetwork hostPID hostIPC "
    "shareProcessNamespace imagePullSecrets hostname subdomain affinity schedulerName tolerations hostAliases "
    "priorityClassName priority dnsConfig readinessGates runtimeClassName enableServiceLinks preemptionPolicy overhead "
    "setHostnameAsFQDN os hostUsers schedulingGates resourceClaims resources hostnameOverride",
    containers=[CONTAINER],
    initContainers=[CONTAINER],
    securityContext=_fields(
        "seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot supplementalGroups supplementalGroupsPolicy "
        "fsGroup fsGroupChangePolicy sysctls seccompProfile appArmorProfile seLinuxChangePolicy"
    ),
    topologySpreadConstraints=[
        _fields(
            "maxSkew topologyKey whenUnsatisfiable minDomains nodeAffinityPolicy nodeTaintsPolicy matchLabelKeys",
            labelSelector=SELECTOR,
        )
    ],
)
KINDS: dict[str, dict[str, Any]] = {
    "deployments": _kind(
        spec=_fields(
            "replicas minReadySeconds revisionHistoryLimit paused progressDeadlineSeconds",
            selector=SELECTOR,
            strategy=_fields("type", rollingUpdate=_fields("maxUnavailable maxSurge")),
            template=_fields("metadata", spec=POD),
        )
    ),
    "services": _kind(
        spec=_fields(
            "selector clusterIP clusterIPs type externalIPs sessionAffinity loadBalancerIP loadBalancerSourceRanges "
            "externalName externalTrafficPolicy healthCheckNodePort publishNotReadyAddresses sessionAffinityConfig "
            "ipFamilies ipFamilyPolicy allocateLoadBalancerNodePorts loadBalancerClass internalTrafficPolicy "
            "trafficDistribution",
            ports=[_fields("name protocol appProtocol port targetPort nodePort")],
        )
    ),
    "networkpolicies": _kind(
        spec=_fields(
            "policyTypes",
            podSelector=SELECTOR,
            ingress=[_fields("ports from")],
            egress=[_fields("ports to")],
        )
    ),
    "poddisruptionbudgets": _kind(
        spec=_fields("minAvailable maxUnavailable unhealthyPodEvictionPolicy", selector=SELECTOR)
    ),
    "buildconfigs": _kind(
        spec=_fields(
            "triggers runPolicy successfulBuildsHistoryLimit failedBuildsHistoryLimit serviceAccount revision "
            "resources postCommit completionDeadlineSeconds nodeSelector mountTrustedCA",
            source=_fields("type binary dockerfile git images contextDir sourceSecret secrets configMaps"),
            strategy=_fields(
                "type sourceStrategy customStrategy jenkinsPipelineStrategy",
                dockerStrategy=_fields(
                    "from pullSecret noCache env forcePull dockerfilePath buildArgs imageOptimizationPolicy volumes"
                ),
            ),
            output=_fields("to pushSecret imageLabels"),
        )
    ),
    "imagestreams": _kind(spec=_fields("lookupPolicy dockerImageRepository tags")),
}


def unknown(value: Any, known: Any, path: str = "") -> list[str]:
    """Return the paths of the fields of a value that are not among the known ones."""
    if isinstance(known, list) and isinstance(value, list):
        return [name for index, item in enumerate(value) for name in unknown(item, known[0], f"{path}[{index}]")]
    if not isinstance(known, dict) or not isinstance(value, dict):
        return []
    prefix = f"{path}." if path else ""
    found = [f"{prefix}{name}" for name in value if name not in known]
    return found + [name for key in value if key in known for name in unknown(value[key], known[key], prefix + key)]
