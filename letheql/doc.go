// Package letheql is the query language: PromQL, with filters and stages on the lines of a selector.
//
//	pod{namespace="default",pod=~"nginx-.*"} |= "GET" !~ "favicon|robots"
//	sum by (pod) (count_over_time(pod{namespace="default"} |= "error" [5m])) > 10
package letheql
