{{/* Prefix of all names, of 40 characters at most. A longer release name ends in a digest, lest two of them have one prefix; a Service's name has no dots. */}}
{{- define "lethe.fullname" -}}
{{- $name := default .Release.Name .Values.fullnameOverride | replace "." "-" -}}
{{- if regexMatch "^[0-9]" $name -}}
{{- fail (printf "the release name %q begins with a digit, as the name of a Service must not: give fullnameOverride" .Release.Name) -}}
{{- end -}}
{{- if gt (len $name) 40 -}}
{{ $name | trunc 31 | trimSuffix "-" }}-{{ $name | sha256sum | trunc 8 }}
{{- else -}}
{{ $name }}
{{- end -}}
{{- end -}}

{{/* Labels of an object: include "lethe.labels" (dict "root" $ "component" "query") */}}
{{- define "lethe.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
app.kubernetes.io/part-of: lethe
{{ include "lethe.selector" . }}
{{- with .root.Values.commonLabels }}
{{- range $key, $_ := . -}}
{{- if regexMatch "^(app\\.kubernetes\\.io/(name|instance|component|version|managed-by|part-of)|helm\\.sh/chart)$" $key -}}
{{- fail (printf "commonLabels has %s, which the chart sets itself" $key) -}}
{{- end -}}
{{- end }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "lethe.selector" -}}
app.kubernetes.io/name: lethe
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* An image: include "lethe.image" (dict "image" .Values.minio.image "tag" "default tag") */}}
{{- define "lethe.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ default .tag .image.tag }}
{{- end -}}
{{- end -}}

{{- define "lethe.s3.endpoint" -}}
{{- if .Values.s3.endpoint -}}
{{ .Values.s3.endpoint }}
{{- else if .Values.minio.enabled -}}
{{- if .Values.credentials.useServiceAccountRole -}}
{{- fail "credentials.useServiceAccountRole is for a store that knows roles: MinIO has users, so set minio.enabled=false and s3.endpoint, or leave it out" -}}
{{- end -}}
{{ include "lethe.fullname" . }}-minio.{{ .Release.Namespace }}.svc:9000
{{- else -}}
{{- fail "s3.endpoint is needed where minio.enabled is false: give host:port of an S3-compatible store, for AWS s3.REGION.amazonaws.com" -}}
{{- end -}}
{{- end -}}

{{/* Whether the MinIO of this chart is the store: "true" or nothing. */}}
{{- define "lethe.minioIsStore" -}}
{{- if and .Values.minio.enabled (not .Values.s3.endpoint) }}true{{ end -}}
{{- end -}}

{{- define "lethe.s3.insecure" -}}
{{- if or .Values.s3.insecure (include "lethe.minioIsStore" .) -}}true{{- end -}}
{{- end -}}

{{- define "lethe.s3.url" -}}
{{- if include "lethe.s3.insecure" . -}}http{{- else -}}https{{- end -}}://{{ include "lethe.s3.endpoint" . }}
{{- end -}}

{{- define "lethe.prefix" -}}
{{- $prefix := .Values.s3.prefix | trimAll "/" -}}
{{- if regexMatch "(^|/)(\\.|\\.\\.|\\.lethe|)(/|$)" (default "x" $prefix) -}}
{{- fail (printf "s3.prefix %q has a segment that is empty, \".\", \"..\" or \".lethe\", which keys of the bucket cannot have" .Values.s3.prefix) -}}
{{- end -}}
{{ $prefix }}
{{- end -}}

{{/* The prefix with a slash behind it, or nothing. */}}
{{- define "lethe.prefixPath" -}}
{{- with include "lethe.prefix" . -}}{{ . }}/{{- end -}}
{{- end -}}

{{- define "lethe.bucketURL" -}}
s3://{{ .Values.s3.bucket }}{{ with include "lethe.prefix" . }}/{{ . }}{{ end }}?endpoint={{ include "lethe.s3.endpoint" . }}&region={{ .Values.s3.region }}
{{- if include "lethe.s3.insecure" . }}&insecure=true{{ end }}
{{- if include "lethe.hasCA" . }}&ca_file=/etc/lethe/ca/ca.crt{{ end }}
{{- end -}}

{{- define "lethe.hasCA" -}}
{{- if and .Values.s3.caSecret .Values.s3.caConfigMap -}}
{{- fail "s3.caSecret and s3.caConfigMap are both given: one of them has the certificates, so leave the other empty" -}}
{{- end -}}
{{- if or .Values.s3.caSecret .Values.s3.caConfigMap -}}true{{- end -}}
{{- end -}}

{{- define "lethe.caVolume" -}}
{{- if .Values.s3.caSecret }}
- name: ca
  secret:
    secretName: {{ .Values.s3.caSecret }}
    items: [{key: ca.crt, path: ca.crt}]
{{- else if .Values.s3.caConfigMap }}
- name: ca
  configMap:
    name: {{ .Values.s3.caConfigMap }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- end -}}

{{- define "lethe.caMount" -}}
{{- if include "lethe.hasCA" . }}
- {name: ca, mountPath: /etc/lethe/ca, readOnly: true}
{{- end }}
{{- end -}}

{{/* Name of the Secret with a role's credentials. */}}
{{- define "lethe.credentials.name" -}}
{{- $c := index .root.Values.credentials .role -}}
{{- if $c.existingSecret -}}{{ $c.existingSecret }}
{{- else -}}{{ include "lethe.fullname" .root }}-{{ .role }}-credentials
{{- end -}}
{{- end -}}

{{/* Environment of a role's credentials: include "lethe.credentials.env" (dict "root" $ "role" "query") */}}
{{- define "lethe.credentials.env" -}}
{{- $c := index .root.Values.credentials .role -}}
{{- if not .root.Values.credentials.useServiceAccountRole -}}
{{- if and (not $c.existingSecret) (not .root.Values.minio.enabled) -}}
{{- fail (printf "credentials.%s.existingSecret is needed where minio.enabled is false, or credentials.useServiceAccountRole" .role) -}}
{{- end }}
{{- if and (not $c.existingSecret) .root.Values.s3.endpoint -}}
{{- fail (printf "s3.endpoint names a store that does not know the users of this chart's MinIO: give credentials.%s.existingSecret and those of the other roles, or leave s3.endpoint empty" .role) -}}
{{- end }}
- name: AWS_ACCESS_KEY_ID
  valueFrom:
    secretKeyRef: {name: {{ include "lethe.credentials.name" . }}, key: AWS_ACCESS_KEY_ID}
- name: AWS_SECRET_ACCESS_KEY
  valueFrom:
    secretKeyRef: {name: {{ include "lethe.credentials.name" . }}, key: AWS_SECRET_ACCESS_KEY}
{{- end }}
{{- end -}}

{{/* Environment of a container that runs lethe: include "lethe.env" (dict "root" $ "role" "query" "values" .Values.query) */}}
{{- define "lethe.env" -}}
- name: LETHE_BUCKET
  value: {{ include "lethe.bucketURL" .root | quote }}
{{- with dig "limits" "memory" "" .values.resources }}
- name: GOMEMLIMIT
  value: {{ include "lethe.memoryLimit" (dict "role" $.role "limit" .) | quote }}
{{- end }}
{{- include "lethe.credentials.env" . }}
{{- end -}}

{{/* What Go is told of a limit of memory: 90% of it. The rest is for what Go does not count; at the limit itself the kernel would kill before Go collects. */}}
{{- define "lethe.memoryLimit" -}}
{{- $q := .limit | toString -}}
{{- if kindIs "float64" .limit -}}{{- $q = .limit | int64 | toString -}}{{- end -}}
{{- $units := dict "" 1.0 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "Ki" 1024.0 "Mi" 1048576.0 "Gi" 1073741824.0 "Ti" 1099511627776.0 -}}
{{- if not (regexMatch "^[0-9]+([.][0-9]+)?([kMGT]|[KMGT]i)?$" $q) -}}
{{- fail (printf "%s.resources.limits.memory %q: give it as 512Mi, 1Gi or 2G" .role $q) -}}
{{- end -}}
{{- $bytes := mulf (regexFind "^[0-9.]+" $q | float64) (get $units (regexFind "[kKMGTi]*$" $q)) -}}
{{ divf (mulf $bytes 0.9) 1048576.0 | floor | int64 }}MiB
{{- end -}}

{{/* What pod security "restricted" asks for. */}}
{{- define "lethe.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "lethe.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Bytes of a Kubernetes quantity in Mi, Gi or Ti, as MB of Lethe (1024*1024), 80% of it. */}}
{{- define "lethe.retentionSize" -}}
{{- if .Values.retention.size -}}
{{ .Values.retention.size }}
{{- else if include "lethe.minioIsStore" . -}}
{{- $q := .Values.minio.persistence.size -}}
{{- $mib := 0.0 -}}
{{- if hasSuffix "Ti" $q -}}{{- $mib = mulf (trimSuffix "Ti" $q | float64) 1048576.0 -}}
{{- else if hasSuffix "Gi" $q -}}{{- $mib = mulf (trimSuffix "Gi" $q | float64) 1024.0 -}}
{{- else if hasSuffix "Mi" $q -}}{{- $mib = trimSuffix "Mi" $q | float64 -}}
{{- else -}}{{- fail (printf "minio.persistence.size %q: give it in Mi, Gi or Ti" $q) -}}
{{- end -}}
{{ mulf $mib 0.8 | floor | int64 }}MB
{{- else -}}
0
{{- end -}}
{{- end -}}

{{/* A password that is made once: include "lethe.keep" (dict "root" $ "secret" NAME "key" KEY "length" 32) gives it in base64. */}}
{{- define "lethe.keep" -}}
{{- $old := lookup "v1" "Secret" .root.Release.Namespace .secret -}}
{{- if and $old (hasKey (default dict $old.data) .key) -}}
{{ index $old.data .key }}
{{- else -}}
{{ randAlphaNum (int .length) | b64enc }}
{{- end -}}
{{- end -}}

{{/* Seconds of a duration as Go and Prometheus write it: include "lethe.seconds" "1m30s" */}}
{{- define "lethe.seconds" -}}
{{- $units := dict "ms" 0.001 "s" 1.0 "m" 60.0 "h" 3600.0 "d" 86400.0 "w" 604800.0 "y" 31536000.0 -}}
{{- $sum := 0.0 -}}
{{- range regexFindAll "[0-9]+(ms|s|m|h|d|w|y)" . -1 -}}
{{- $sum = addf $sum (mulf (regexFind "^[0-9]+" . | float64) (get $units (regexFind "[a-z]+$" .))) -}}
{{- end -}}
{{ $sum }}
{{- end -}}

{{/* How the query Service is reached inside the cluster. */}}
{{- define "lethe.queryScheme" -}}
{{- if and .Values.query.webConfigSecret .Values.query.tls -}}https{{- else -}}http{{- end -}}
{{- end -}}

{{- define "lethe.queryURL" -}}
{{ include "lethe.queryScheme" . }}://{{ include "lethe.fullname" . }}-query.{{ .Release.Namespace }}.svc:{{ .Values.query.service.port }}
{{- end -}}

{{/* QUERY_USER and QUERY_PASSWORD of a container that asks the query Service. */}}
{{- define "lethe.queryAuth.env" -}}
{{- with .Values.query.authSecret }}
- name: QUERY_USER
  valueFrom: {secretKeyRef: {name: {{ . }}, key: username}}
- name: QUERY_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ . }}, key: password}}
{{- end }}
{{- end -}}

{{- define "lethe.queryCA.mount" -}}
{{- if .Values.query.caSecret }}
- {name: query-ca, mountPath: /etc/lethe/query-ca, readOnly: true}
{{- end }}
{{- end -}}

{{- define "lethe.queryCA.volume" -}}
{{- with .Values.query.caSecret }}
- name: query-ca
  secret:
    secretName: {{ . }}
    items: [{key: ca.crt, path: ca.crt}]
{{- end }}
{{- end -}}

{{- define "lethe.prometheusURL" -}}
{{- if .Values.venti.prometheusURL -}}{{ .Values.venti.prometheusURL }}
{{- else if .Values.prometheus.enabled -}}http://{{ include "lethe.fullname" . }}-prometheus.{{ .Release.Namespace }}.svc:9090
{{- end -}}
{{- end -}}

{{/* Whether the chart has rule files to mount: "true" or nothing. */}}
{{- define "lethe.hasRules" -}}
{{- if or .Values.alert.readyMadeRules .Values.alert.rules }}true{{ end -}}
{{- end -}}

{{/* URLs of all Alertmanagers, as a YAML list. */}}
{{- define "lethe.alertmanagers" -}}
{{- $all := .Values.alert.alertmanagers -}}
{{- range $all -}}
{{- if regexMatch "^https?://[^/?#]*@" . -}}
{{- fail "alert.alertmanagers holds a user or a password, which would show in the pod: put the URLs into a Secret, and give them as LETHE_ALERTING_ALERTMANAGERS by alert.extraEnv with a secretKeyRef" -}}
{{- end -}}
{{- end -}}
{{- if .Values.alertmanager.enabled -}}
{{- $all = append $all (printf "http://%s-alertmanager.%s.svc:9093" (include "lethe.fullname" .) .Release.Namespace) -}}
{{- end -}}
{{ toYaml $all }}
{{- end -}}
