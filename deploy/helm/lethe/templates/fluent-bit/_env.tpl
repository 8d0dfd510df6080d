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
