{{/* How query pods ask each other for pieces: by their Service, as the chart's other clients do. */}}
{{- define "lethe.fanout.args" -}}
{{- if .Values.query.fanout.pieces -}}
- --query.fanout={{ int64 .Values.query.fanout.pieces }}
- --query.fanout_bytes={{ .Values.query.fanout.bytes }}
- --query.fanout_url={{ include "lethe.queryURL" . }}
{{- if include "lethe.fanout.client" . }}
- --query.fanout_config.file=/etc/lethe/fanout/client.yml
{{- end }}
{{- end -}}
{{- end -}}

{{/* What they need for it besides: "true" or nothing. */}}
{{- define "lethe.fanout.client" -}}
{{- if and .Values.query.fanout.pieces (or .Values.query.authSecret .Values.query.caSecret) -}}true{{- end -}}
{{- end -}}

{{- define "lethe.fanout.mount" -}}
{{- if include "lethe.fanout.client" . }}
- {name: fanout, mountPath: /etc/lethe/fanout, readOnly: true}
{{- if .Values.query.authSecret }}
- {name: query-auth, mountPath: /etc/lethe/query-auth, readOnly: true}
{{- end }}
{{- include "lethe.queryCA.mount" . }}
{{- end }}
{{- end -}}

{{- define "lethe.fanout.volume" -}}
{{- if include "lethe.fanout.client" . }}
- name: fanout
  configMap: {name: {{ include "lethe.fullname" . }}-query-fanout}
{{- with .Values.query.authSecret }}
- name: query-auth
  secret: {secretName: {{ . }}}
{{- end }}
{{- include "lethe.queryCA.volume" . }}
{{- end }}
{{- end -}}
