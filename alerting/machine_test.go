package alerting

import (
	"errors"
	"flag"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
)

var update = flag.Bool("update", false, "write the golden files")

var epoch = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

func at(min float64) time.Time { return epoch.Add(time.Duration(min * float64(time.Minute))) }

func found(pods ...string) []result {
	var out []result
	for _, p := range pods {
		out = append(out, result{labels: labels.FromStrings("alertname", "X", "pod", p), value: 1})
	}
	return out
}

// show prints alerts as "pod=phase".
func show(alerts []Alert) string {
	s := ""
	for _, a := range alerts {
		s += a.Labels.Get("pod") + "=" + string(a.Phase) + " "
	}
	return s
}

func TestAdvance(t *testing.T) {
	type stepping struct {
		min  float64
		pods []string
		want string
	}
	tests := []struct {
		name       string
		hold, keep time.Duration
		steps      []stepping
	}{
		{"fires at once and resolves", 0, 0, []stepping{
			{0, []string{"a"}, "a=firing "}, {1, nil, "a=resolved "}, {15, nil, "a=resolved "}, {16.1, nil, ""},
		}},
		{"pending until for has passed", 2 * time.Minute, 0, []stepping{
			{0, []string{"a"}, "a=pending "}, {1, []string{"a"}, "a=pending "}, {2, []string{"a", "b"}, "a=firing b=pending "}, {3, []string{"a"}, "a=firing "},
		}},
		{"a pending alert that pauses starts over", 2 * time.Minute, 0, []stepping{
			{0, []string{"a"}, "a=pending "}, {1, nil, ""}, {2, []string{"a"}, "a=pending "}, {4, []string{"a"}, "a=firing "},
		}},
		{"keep_firing_for counts from the first time without", 0, 5 * time.Minute, []stepping{
			{0, []string{"a"}, "a=firing "}, {1, nil, "a=firing "}, {4, nil, "a=firing "}, {5, []string{"a"}, "a=firing "},
			{6, nil, "a=firing "}, {10, nil, "a=firing "}, {11, nil, "a=resolved "}, {12, []string{"a"}, "a=firing "},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var alerts []Alert
			for _, s := range tt.steps {
				var err error
				alerts, err = advance(alerts, found(s.pods...), timing{now: at(s.min), hold: tt.hold, keep: tt.keep})
				if err != nil {
					t.Fatal(err)
				}
				if got := show(alerts); got != s.want {
					t.Fatalf("minute %v: %q, want %q", s.min, got, s.want)
				}
			}
		})
	}
}

func TestAdvanceKeepsStartAndUpdatesValue(t *testing.T) {
	a, _ := advance(nil, found("a"), timing{now: at(0)})
	again := found("a")
	again[0].value, again[0].annotations = 7, labels.FromStrings("summary", "seven")
	b, _ := advance(a, again, timing{now: at(3)})
	if !b[0].FiredAt.Equal(at(0)) || b[0].Value != 7 || b[0].Annotations.Get("summary") != "seven" {
		t.Errorf("got %+v", b[0])
	}
	if a[0].Value != 1 {
		t.Error("the state before was changed")
	}
}

func TestAdvanceLongerForTurnsBack(t *testing.T) {
	a, _ := advance(nil, found("a"), timing{now: at(0)})
	a[0].Told = Firing
	b, _ := advance(a, found("a"), timing{now: at(1), hold: time.Hour})
	if b[0].Phase != Pending || b[0].Told != "" || !b[0].FiredAt.IsZero() {
		t.Errorf("got %+v", b[0])
	}
}

func TestAdvanceLimitKeepsState(t *testing.T) {
	a, _ := advance(nil, found("a"), timing{now: at(0), limit: 1})
	b, err := advance(a, found("a", "b"), timing{now: at(1), limit: 1})
	if !errors.Is(err, ErrLimit) || show(b) != "a=firing " {
		t.Errorf("%q, %v", show(b), err)
	}
}

// An alert that nobody was told of does not resolve: the notification of a run that died is still to be sent, and an Alertmanager
// that gets it together with its end would keep quiet.
func TestAdvanceWaitsUntilTold(t *testing.T) {
	tm := func(min float64) timing { return timing{now: at(min), keep: 5 * time.Minute, owedOnly: true} }
	a, _ := advance(nil, found("a"), tm(0))
	a, _ = advance(a, nil, tm(60))
	if show(a) != "a=firing " || !a[0].owed() {
		t.Fatalf("untold: %q", show(a))
	}
	a[0].Told = Firing
	for _, s := range []struct {
		min  float64
		want string
	}{{61, "a=firing "}, {65, "a=firing "}, {66, "a=resolved "}} {
		if a, _ = advance(a, nil, tm(s.min)); show(a) != s.want {
			t.Fatalf("minute %v: %q, want %q", s.min, show(a), s.want)
		}
	}
	if !a[0].owed() {
		t.Error("the end is owed")
	}
	if a, _ = advance(a, nil, tm(66+60)); show(a) != "a=resolved " {
		t.Errorf("an end that is owed was forgotten: %q", show(a))
	}
	a[0].Told = Resolved
	if a, _ = advance(a, nil, tm(66+61)); show(a) != "" {
		t.Errorf("an end that was told is kept: %q", show(a))
	}
	b, _ := advance(nil, found("a"), tm(0))
	if b, _ = advance(b, nil, tm(24*60+1)); b[0].KeepSince.IsZero() {
		t.Error("an alert that nobody takes is kept for ever")
	}
}
