{{/* What the pods share that answer at a port named http: users and certificates are those of query.webConfigSecret. */}}
{{- define "lethe.web.args" -}}
- --listen=:6060
{{- if .Values.query.webConfigSecret }}
- --web.config.file=/etc/lethe/web/web.yml
{{- end }}
{{- end -}}

{{- define "lethe.web.ports" -}}
ports:
  - {name: http, containerPort: 6060}
# With basic auth or client certificates a probe has none: then the port must be open, no more.
startupProbe:
  tcpSocket: {port: http}
  periodSeconds: 1
  failureThreshold: 60
# It is first asked as soon as the port is open, and seldom from then on: each answer is a LIST of the store, which has a price.
readinessProbe:
  {{- if .Values.query.webConfigSecret }}
  tcpSocket: {port: http}
  {{- else }}
  httpGet: {path: /-/ready, port: http}
  {{- end }}
  periodSeconds: 30
  timeoutSeconds: 5
livenessProbe:
  {{- if .Values.query.webConfigSecret }}
  tcpSocket: {port: http}
  {{- else }}
  httpGet: {path: /-/healthy, port: http}
  {{- end }}
  periodSeconds: 20
  timeoutSeconds: 5
{{- end -}}

{{- define "lethe.web.mount" -}}
{{- if .Values.query.webConfigSecret }}
- {name: web, mountPath: /etc/lethe/web, readOnly: true}
{{- end }}
{{- end -}}

{{- define "lethe.web.volume" -}}
{{- with .Values.query.webConfigSecret }}
- name: web
  secret: {secretName: {{ . }}}
{{- end }}
{{- end -}}

{{/* Who may reach the pods of a component: include "lethe.web.networkPolicy" (dict "root" $ "component" "query" "outside" false). Outside says that
clients come by addresses that no pod has. */}}
{{- define "lethe.web.networkPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ include "lethe.fullname" .root }}-{{ .component }}
  namespace: {{ .root.Release.Namespace }}
  labels: {{- include "lethe.labels" . | nindent 4 }}
spec:
  podSelector:
    matchLabels: {{- include "lethe.selector" . | nindent 6 }}
  policyTypes: [Ingress]
  ingress:
    - ports:
        - {protocol: TCP, port: http}
      {{- if or .root.Values.query.networkPolicy.from (not .outside) }}
      from:
        {{- with .root.Values.query.networkPolicy.from }}
        {{- toYaml . | nindent 8 }}
        # The chart's own clients: venti, Prometheus, helm test.
        - podSelector:
            matchLabels:
              app.kubernetes.io/name: lethe
              app.kubernetes.io/instance: {{ $.root.Release.Name }}
        {{- else }}
        - namespaceSelector: {}
        {{- end }}
      {{- end }}
{{- end -}}

{{/* How Prometheus's operator has such a port scraped. */}}
{{- define "lethe.web.endpoint" -}}
port: http
path: /metrics
interval: {{ .Values.serviceMonitor.interval }}
{{- if eq (include "lethe.queryScheme" .) "https" }}
scheme: https
tlsConfig:
  serverName: {{ include "lethe.fullname" . }}-query.{{ .Release.Namespace }}.svc
  {{- if .Values.query.caSecret }}
  ca: {secret: {name: {{ .Values.query.caSecret }}, key: ca.crt}}
  {{- end }}
{{- end }}
{{- with .Values.query.authSecret }}
basicAuth:
  username: {name: {{ . }}, key: username}
  password: {name: {{ . }}, key: password}
{{- end }}
{{- end -}}

{{/* Whether there is an alerter that goes on evaluating, and listens: "true" or nothing. */}}
{{- define "lethe.alerterListens" -}}
{{- if and .Values.alert.enabled (eq .Values.alert.mode "deployment") }}true{{ end -}}
{{- end -}}
