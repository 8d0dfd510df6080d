{{/* Alert rules on Lethe's own metrics, for a PrometheusRule and for the Prometheus of this chart. */}}
{{- define "lethe.metricRules" -}}
- name: lethe
  rules:
    - alert: LetheCompactorStale
      expr: time() - max(lethe_compactor_last_success_timestamp_seconds) > 900
      for: 5m
      labels: {severity: critical}
      annotations:
        summary: No compaction has succeeded for 15 minutes. Lines are safe under raw/, but queries grow slow and dear.
    - alert: LetheBacklogGrows
      expr: time() - min(lethe_compactor_backlog_oldest_timestamp_seconds > 0) > 3600
      for: 15m
      labels: {severity: warning}
      annotations:
        summary: Raw objects have been waiting for the compactor for over an hour.
    - alert: LetheNodeSilent
      expr: time() - max by (node) (lethe_compactor_newest_object_timestamp_seconds) > 900
      for: 5m
      labels: {severity: warning}
      annotations:
        summary: {{ printf "%s" "The agent of {{ $labels.node }} has uploaded nothing for 15 minutes." | quote }}
    - alert: LetheObjectsQuarantined
      expr: increase(lethe_compactor_quarantined_total[1h]) > 0
      labels: {severity: warning}
      annotations:
        summary: Raw objects could not be read and lie under quarantine/.
    # One failure is made up for by the next run: this is for those that go on.
    - alert: LetheAlertingFails
      expr: sum by (rule_file, rule_group) (increase(lethe_alerting_evaluation_failures_total[10m])) > 0
      for: 10m
      labels: {severity: critical}
      annotations:
        summary: {{ printf "%s" "Rules of the group {{ $labels.rule_group }} cannot be evaluated; their alerts stay as they were." | quote }}
    {{- if and (include "lethe.alerterListens" .) (or .Values.prometheus.enabled .Values.serviceMonitor.enabled) }}
    - alert: LetheAlerterSilent
      expr: absent(lethe_alerting_last_evaluation_timestamp_seconds)
      for: 10m
      labels: {severity: critical}
      annotations:
        summary: No alerter is heard of, so no rules are evaluated.
    {{- end }}
    - alert: LetheNotificationsFail
      expr: sum by (alertmanager) (increase(lethe_alerting_notifications_failed_total[10m])) > 0
      for: 10m
      labels: {severity: critical}
      annotations:
        summary: {{ printf "%s" "The Alertmanager at {{ $labels.alertmanager }} does not take alerts." | quote }}
    - alert: LetheQueriesFail
      # Of what is asked, not of probes and scrapes, which would hide it.
      expr: sum(rate(lethe_http_requests_total{route=~".* /api/.*",code=~"5.."}[5m])) / sum(rate(lethe_http_requests_total{route=~".* /api/.*"}[5m])) > 0.05
      for: 10m
      labels: {severity: warning}
      annotations:
        summary: More than 5% of the queries fail.
{{- end -}}
