// Package alertstore puts alerting on a bucket: the states of rule groups, views of what has arrived, rule files that lie in a bucket,
// and what the compactor has to know, the raw objects that rules still need.
package alertstore
