{{/* What the pods that run lethe share: include "lethe.podSpec.head" (dict "root" $ "role" "query" "values" .Values.query) */}}
{{- define "lethe.podSpec.head" -}}
serviceAccountName: {{ include "lethe.fullname" .root }}-{{ .role }}
automountServiceAccountToken: false
{{- with .root.Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext: {{- include "lethe.podSecurity" .root | nindent 2 }}
{{- with .values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "lethe.container.head" -}}
image: {{ include "lethe.image" (dict "image" .root.Values.image "tag" .root.Chart.AppVersion) }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
resources: {{- toYaml .values.resources | nindent 2 }}
securityContext: {{- include "lethe.containerSecurity" .root | nindent 2 }}
env:
  {{- include "lethe.env" . | nindent 2 }}
  {{- with .values.extraEnv }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
