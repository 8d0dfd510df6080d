Lethe is under the Apache License 2.0, see LICENSE. It is linked with what follows, under the licences that follow.
{{ range . }}
================================================================================
{{ .Name }} {{ .Version }}
{{ .LicenseName }}

{{ .LicenseText }}
{{- end }}
