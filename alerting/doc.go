// Package alerting evaluates alerting rules over lines and tells Alertmanagers.
//
// A rule is a log query, which fires for every pod and container (or node and process) whose lines match, or a metric query, which
// fires for every sample as in Prometheus. Rules of a group share a state that lies in a store and is replaced by compare-and-swap:
//
//   - Windows of log rules touch: each line is counted in exactly one evaluation of each rule, by its own time where it had arrived when
//     its window was evaluated, else by the raw object that brought it, as long as it is not later than Options.Late.
//   - Of two evaluators at once one loses the swap and drops its run, with its notifications.
//   - Notifications go out after the swap. What the state says and no Alertmanager has accepted yet is owed: the next run sends it, and an
//     alert whose firing is owed does not resolve.
//   - A query that fails keeps the alerts of its rule as they are, and its window is evaluated again.
//
// The package never sees a bucket: it declares the store, the view of what has arrived and the notifier as small interfaces.
package alerting
