{{/* Where agents keep their state on the node: a folder for each release, for two agents in one would upload and forget each other's lines. */}}
{{- define "lethe.fluentBit.state" -}}
{{- default (printf "/var/lib/lethe-fluent-bit/%s/%s" .Release.Namespace (include "lethe.fullname" .)) .Values.fluentBit.statePath -}}
{{- end -}}

{{/* The folder that is mounted for the journal beside /var/log, if any. */}}
{{- define "lethe.fluentBit.journal" -}}
{{- $path := default "/run/log" .Values.fluentBit.journalPath -}}
{{- if not (hasPrefix "/var/log/" $path) }}{{ $path }}{{ end -}}
{{- end -}}

{{/* Patterns of the files of this release's agents. */}}
{{- define "lethe.fluentBit.own" -}}
{{- $own := list -}}
{{- range list "fluent-bit" "events" -}}
{{- $own = append $own (printf "/var/log/containers/%s-%s-*_%s_fluent-bit-*.log" (include "lethe.fullname" $) . $.Release.Namespace) -}}
{{- end -}}
{{ join "," $own }}
{{- end -}}

{{- define "lethe.fluentBit.env" -}}
- name: HTTP_PORT
  value: "2020"
- name: BUCKET
  value: {{ .Values.s3.bucket | quote }}
- name: S3_ENDPOINT
  value: {{ include "lethe.s3.url" . | quote }}
- name: S3_REGION
  value: {{ .Values.s3.region | quote }}
{{- include "lethe.credentials.env" (dict "root" . "role" "agents") }}
{{- end -}}
