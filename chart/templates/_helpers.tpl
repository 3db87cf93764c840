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
