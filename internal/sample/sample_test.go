package sample

import (
	"bytes"
	"cmp"
	"errors"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"lethe/internal/layout"
	"lethe/internal/record"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func cluster(t testing.TB, seed uint64) *Cluster {
	t.Helper()
	c, err := New(seed)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func objects(t testing.TB, c *Cluster, from, to time.Time, every time.Duration) []Object {
	t.Helper()
	out, err := c.Objects(from, to, every)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// rows decodes objects, and sorts what is in them.
func rows(t testing.TB, objs []Object) (out []record.Row) {
	t.Helper()
	for _, o := range objs {
		raw, ok := layout.ParseRaw(o.Key)
		if !ok {
			t.Fatalf("%s is no key of a raw object", o.Key)
		}
		d, err := record.NewDecoder(bytes.NewReader(o.Body), record.DecoderOptions{Target: raw.Target, Arrived: o.Uploaded})
		if err != nil {
			t.Fatal(err)
		}
		for {
			var r record.Row
			if err := d.Next(&r); record.AtEnd(err) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			r.Log = bytes.Clone(r.Log)
			out = append(out, r)
		}
		if s := d.Stats(); s.Broken > 0 || s.Cut > 0 || s.Lines != int64(o.Lines) {
			t.Errorf("%s: %+v, want %d lines", o.Key, s, o.Lines)
		}
		d.Close()
	}
	slices.SortFunc(out, func(a, b record.Row) int {
		return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Node, b.Node), cmp.Compare(a.Pod+a.Process, b.Pod+b.Process), bytes.Compare(a.Log, b.Log))
	})
	return out
}

func TestCluster(t *testing.T) {
	c := cluster(t, 1)
	hourly := objects(t, c, noon.Add(-3*time.Hour), noon, time.Hour)
	got := rows(t, hourly)
	if len(got) < 3000 || len(got) > 12000 {
		t.Errorf("%d lines in three hours, want a few thousand", len(got))
	}
	keys, seen := map[string]bool{}, map[string]int{}
	for _, o := range hourly {
		if keys[o.Key] {
			t.Errorf("%s is there twice", o.Key)
		}
		keys[o.Key] = true
	}
	for _, r := range got {
		if at := time.Unix(0, r.Time); at.Before(noon.Add(-3*time.Hour)) || !at.Before(noon.Add(time.Second)) {
			t.Fatalf("a line at %s", at)
		}
		log := string(r.Log)
		seen["namespace "+r.Namespace]++
		seen["node "+r.Node]++
		seen["process "+r.Process]++
		seen["stream "+r.Stream]++
		for name, in := range map[string]bool{
			"json": strings.HasPrefix(log, "{"), "stack": strings.HasPrefix(log, "\tat "), "lines in a line": strings.Contains(log, "\n"), "hangul": strings.Contains(log, "승인"),
			"long": len(log) > 20000, "left over": strings.Contains(log, "${"), "burst": strings.Contains(log, "deadline exceeded"),
		} {
			if in {
				seen[name]++
			}
		}
	}
	for _, name := range []string{"namespace shop", "namespace db", "namespace ingress-nginx", "namespace kube-system", "node node-1", "node node-3", "process kubelet", "process sshd",
		"stream stdout", "stream stderr", "json", "stack", "lines in a line", "hangul", "long", "burst"} {
		if seen[name] == 0 {
			t.Errorf("no line has: %s", name)
		}
	}
	if seen["left over"] > 0 {
		t.Errorf("%d lines with a ${ that nothing replaced", seen["left over"])
	}
	// Minute by minute it is the same, and another time too.
	if byMinute := rows(t, objects(t, cluster(t, 1), noon.Add(-3*time.Hour), noon, time.Minute)); !reflect.DeepEqual(got, byMinute) {
		t.Errorf("minute by minute it differs: %d lines, want %d", len(byMinute), len(got))
	}
	if again := objects(t, cluster(t, 1), noon.Add(-3*time.Hour), noon, time.Hour); !reflect.DeepEqual(hourly, again) {
		t.Error("a second time it differs")
	}
	if other := rows(t, objects(t, cluster(t, 2), noon.Add(-3*time.Hour), noon, time.Hour)); reflect.DeepEqual(got, other) {
		t.Error("another seed gives the same lines")
	}
}

// Every entry of every template expands, in bursts and out of them.
func TestTemplates(t *testing.T) {
	c := cluster(t, 1)
	for _, s := range c.sources {
		for _, e := range s.entries {
			for seed := range uint64(20) {
				x := expansion{r: rand.New(rand.NewPCG(seed, 1)), at: noon}
				for _, line := range e.lines {
					if out, err := x.expand(line); err != nil || strings.Contains(out, "${") {
						t.Fatalf("%q: %q, %v", line, out, err)
					}
				}
			}
		}
	}
}

func TestExpandRefuses(t *testing.T) {
	for _, s := range []string{"${nothing}", "${int:9-1}", "${int:a-b}", "${hex:1}", "${hex:66}", "${long:0}", "${int:1-2"} {
		x := expansion{r: rand.New(rand.NewPCG(1, 1)), at: noon}
		if out, err := x.expand(s); !errors.Is(err, errTemplate) {
			t.Errorf("%s: %q, %v", s, out, err)
		}
	}
	for _, head := range []string{"", "x", "0", "1 stdin"} {
		if _, err := parseHead(head); !errors.Is(err, errTemplate) {
			t.Errorf("%q: %v", head, err)
		}
	}
	if _, err := loadTemplate("nothing"); err == nil {
		t.Error("a template that is not there was loaded")
	}
}

func TestOptions(t *testing.T) {
	c := cluster(t, 1)
	for name, f := range map[string]func() ([]Object, error){
		"interval of seconds": func() ([]Object, error) { return c.Objects(noon, noon.Add(time.Hour), 30*time.Second) },
		"long interval":       func() ([]Object, error) { return c.Objects(noon, noon.Add(time.Hour), 61*time.Minute) },
		"odd from":            func() ([]Object, error) { return c.Objects(noon.Add(time.Second), noon.Add(time.Hour), time.Minute) },
		"odd to":              func() ([]Object, error) { return c.Objects(noon, noon.Add(1), time.Minute) },
	} {
		if _, err := f(); !errors.Is(err, ErrOptions) {
			t.Errorf("%s: %v, want ErrOptions", name, err)
		}
	}
	if out := objects(t, c, noon, noon, time.Minute); len(out) > 0 {
		t.Errorf("%d objects in no time", len(out))
	}
	if len(objects(t, c, noon, noon.Add(time.Minute), time.Hour)) == 0 {
		t.Error("no object in a part of an interval")
	}
}
