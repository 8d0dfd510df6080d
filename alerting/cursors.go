package alerting

import (
	"slices"
	"strconv"
	"time"

	"lethe/alerting/rulefile"
)

// ruleKeys returns what tells the rules of a group apart: name and label templates, as in Prometheus, and the number among equals. A rule
// keeps its alerts when its expression or its place in the file changes.
func ruleKeys(g *rulefile.Group) []string {
	keys := make([]string, len(g.Rules))
	count := map[string]int{}
	for i := range g.Rules {
		k := ruleKey(&g.Rules[i])
		count[k]++
		keys[i] = k + "#" + strconv.Itoa(count[k])
	}
	return keys
}

func ruleKey(r *rulefile.Rule) string {
	names := make([]string, 0, len(r.Labels))
	for n := range r.Labels {
		names = append(names, n)
	}
	slices.Sort(names)
	k := r.Alert
	for _, n := range names {
		k += "," + strconv.Quote(n) + "=" + strconv.Quote(r.Labels[n])
	}
	return k
}

// assign returns the cursors of a state for the log rules that there are now: those of rules that are gone are left out, and new rules
// join the cursor that is furthest. It is empty where the group has none yet.
func assign(cursors []Cursor, keys []string) []Cursor {
	left := slices.Clone(keys)
	var out []Cursor
	furthest := -1
	for _, c := range cursors {
		mine := slices.DeleteFunc(slices.Clone(c.Rules), func(k string) bool { return !slices.Contains(left, k) })
		left = slices.DeleteFunc(left, func(k string) bool { return slices.Contains(mine, k) })
		c.Rules = mine
		out = append(out, c)
		if furthest < 0 || c.Through > out[furthest].Through {
			furthest = len(out) - 1
		}
	}
	if furthest >= 0 {
		out[furthest].Rules = append(out[furthest].Rules, left...)
	}
	return slices.DeleteFunc(out, func(c Cursor) bool { return len(c.Rules) == 0 })
}

// windowEnd returns where the window that starts at through ends: never before it, at most step later, and not after what can have
// arrived by the scheduled time.
func windowEnd(through int64, scheduled time.Time, delay, step time.Duration) int64 {
	return max(through, min(through+int64(step), scheduled.Add(-delay).UnixNano()))
}

// minStep is the shortest window that a failing one is cut to.
const minStep = time.Second

// step returns the longest window of the cursor.
func (c *Cursor) step(most time.Duration) time.Duration {
	if c.Step == 0 {
		return most
	}
	return min(most, time.Duration(c.Step))
}

// shorter returns the Step after a window that failed.
func (c *Cursor) shorter(end int64) int64 { return max(int64(minStep), (end-c.Through)/2) }

// longer returns the Step after a window that was evaluated.
func (c *Cursor) longer(most time.Duration) int64 {
	if 2*c.Step >= int64(most) {
		return 0
	}
	return 2 * c.Step
}

// join adds rules to the cursor among cs that ends at the same place, or a new one.
func join(cs []Cursor, c Cursor) []Cursor {
	for i := range cs {
		if cs[i].Through == c.Through && cs[i].Step == c.Step && slices.Equal(cs[i].Seen, c.Seen) {
			cs[i].Rules = append(cs[i].Rules, c.Rules...)
			return cs
		}
	}
	return append(cs, c)
}
