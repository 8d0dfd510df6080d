// Package letheql is the query language: PromQL, with filters and stages on the lines of a selector.
//
//	pod{namespace="default",pod=~"nginx-.*"} |= "GET" !~ "favicon|robots"
//	sum by (pod) (count_over_time(pod{namespace="default"} |= "error" [5m])) > 10
//
// Parse lifts what PromQL does not know out of the text, hands the rest to the upstream parser and puts filters and stages back on
// their selectors by position; the grammar is not forked, and a position in an error is one in the user's text.
//
// An Engine evaluates over a Source. Queries for lines are the source's rows, sent through the stages. In queries for numbers, each function
// over lines is computed here, at exactly the times at which the upstream engine will ask for it (they follow from the tree: steps, offsets,
// @ and subqueries), and the upstream engine does all the rest. Lines are counted into slots between the edges of the windows, so counts
// are exact to the nanosecond, and memory grows with series and steps, not with lines.
package letheql
