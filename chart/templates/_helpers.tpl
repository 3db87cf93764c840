{{/* What a Pod of this release is found by. A Deployment's selector cannot be changed: neither can these. */}}
{{- define "maintenance-page.selectorLabels" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end }}

{{/* Labels of the Pods: nothing that changes with a tag or a version of the chart, which would roll them. */}}
{{- define "maintenance-page.podLabels" -}}
{{ include "maintenance-page.selectorLabels" . }}
app.kubernetes.io/component: page
app.kubernetes.io/part-of: maintenance
{{- end }}

{{- define "maintenance-page.labels" -}}
{{ include "maintenance-page.podLabels" . }}
app.kubernetes.io/version: {{ .Values.imageTag | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.rehearsal }}
maintenance-rehearsal/run: {{ . | quote }}
{{- end }}
{{- end }}

{{/*
The image that the Deployment runs now, or the tag that the image trigger will resolve. The trigger writes the image under
a field manager of its own: another value here is a conflict to Helm 4, and to Helm 3 a reason to roll the Pods back.
*/}}
{{- define "maintenance-page.image" -}}
{{- $image := printf "%s:latest" .Release.Name }}
{{- $live := lookup "apps/v1" "Deployment" .Release.Namespace .Release.Name }}
{{- range (dig "spec" "template" "spec" "containers" list $live) }}
{{- if and (eq .name $.Release.Name) .image }}
{{- $image = .image }}
{{- end }}
{{- end }}
{{- $image }}
{{- end }}

{{/*
Not empty from a minor version of Kubernetes 1 on: (list . 30). The numbers are asked for, and not the version: an API server built
from source has none that is valid ("v0.0.0-master+$Format:%H$", recorded), and a vendor may write "30+".
*/}}
{{- define "maintenance-page.since" -}}
{{- $version := (first .).Capabilities.KubeVersion }}
{{- $major := regexFind "^[0-9]+" $version.Major | int }}
{{- $minor := regexFind "^[0-9]+" $version.Minor | int }}
{{- if or (gt $major 1) (and (eq $major 1) (ge $minor (last . | int))) }}true{{ end }}
{{- end }}

{{/* How a build finds the image that the page is built upon, as a dockerStrategy. */}}
{{- define "maintenance-page.dockerStrategy" -}}
{{- $strategy := dict }}
{{- with .Values.base }}
{{- if .name }}
{{- $from := dict "kind" .kind "name" .name }}
{{- if and (eq .kind "ImageStreamTag") .namespace }}
{{- $_ := set $from "namespace" .namespace }}
{{- end }}
{{- $_ := set $strategy "from" $from }}
{{- end }}
{{- with .pullSecret }}
{{- $_ := set $strategy "pullSecret" (dict "name" .) }}
{{- end }}
{{- end }}
{{- toYaml $strategy }}
{{- end }}
