// Package sample makes the logs of a small cluster that does not exist: a shop behind an ingress, its database, the cluster's own
// pods and three nodes. It writes them as agents write raw objects. The lines are a function of the seed and the time, so what is
// made of an hour at once and minute by minute is the same.
package sample

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/gzip"

	"lethe/internal/layout"
	"lethe/internal/record"
)

// ErrOptions marks times that cannot be.
var ErrOptions = errors.New("invalid sample")

// Object is a raw object, to be put as it is.
type Object struct {
	Key  string
	Body []byte
	// Uploaded is when an agent would have put it, the end of its interval.
	Uploaded time.Time
	Lines    int
}

// Cluster makes logs. It may be used concurrently.
type Cluster struct {
	seed    uint64
	sources []source
}

// source is a container or a process that writes lines.
type source struct {
	target         layout.Target
	node           string
	pod, container string
	process        string
	rate           float64 // entries a minute
	entries        []entry
}

// New returns the cluster of a seed.
func New(seed uint64) (*Cluster, error) {
	c := &Cluster{seed: seed}
	for _, w := range pods {
		for i, pod := range w.pods {
			c.sources = append(c.sources, source{
				target: layout.Target{Kind: layout.Pod, Name: w.namespace}, node: nodes[i%len(nodes)],
				pod: pod, container: w.container, rate: w.rate,
			})
		}
	}
	for _, w := range processes {
		for _, node := range nodes {
			c.sources = append(c.sources, source{target: layout.Target{Kind: layout.Node, Name: node}, node: node, process: w.name, rate: w.rate})
		}
	}
	for i := range c.sources {
		s := &c.sources[i]
		var err error
		if s.entries, err = loadTemplate(cmp.Or(s.container, s.process)); err != nil {
			return nil, err
		}
	}
	return c, nil
}

// MaxInterval is the longest upload interval.
const MaxInterval = time.Hour

// Objects returns what the agents put from from to to when they upload every interval, in the order of the uploads: one object for
// each target and node and interval that has lines. The times and the interval are whole minutes, and the interval is at most
// MaxInterval. What is at a time also depends on the seed, but not on the other arguments.
func (c *Cluster) Objects(from, to time.Time, every time.Duration) ([]Object, error) {
	if every < time.Minute || every > MaxInterval || every%time.Minute != 0 {
		return nil, fmt.Errorf("%w: an interval of %s, it must be whole minutes up to %s", ErrOptions, every, MaxInterval)
	}
	if from.Unix()%60 != 0 || to.Unix()%60 != 0 || from.Nanosecond() != 0 || to.Nanosecond() != 0 {
		return nil, fmt.Errorf("%w: from %s to %s, they must be whole minutes", ErrOptions, from, to)
	}
	var out []Object
	for start := from.UTC(); start.Before(to); start = start.Add(every) {
		end := start.Add(every)
		if end.After(to) {
			end = to.UTC()
		}
		objects, err := c.upload(start, end)
		if err != nil {
			return nil, err
		}
		out = append(out, objects...)
	}
	return out, nil
}

// upload returns one interval's objects.
func (c *Cluster) upload(from, to time.Time) ([]Object, error) {
	type agent struct {
		target layout.Target
		node   string
	}
	lines := map[agent][]line{}
	var agents []agent
	for i := range c.sources {
		s := &c.sources[i]
		a := agent{s.target, s.node}
		if _, ok := lines[a]; !ok {
			agents = append(agents, a)
		}
		for at := from; at.Before(to); at = at.Add(time.Minute) {
			more, err := c.minute(uint64(i), s, at)
			if err != nil {
				return nil, err
			}
			lines[a] = append(lines[a], more...)
		}
	}
	var out []Object
	for _, a := range agents {
		if len(lines[a]) == 0 {
			continue
		}
		o, err := c.object(a.target, a.node, lines[a], to)
		if err != nil {
			return nil, err
		}
		out = append(out, o)
	}
	return out, nil
}

// line is a record to be.
type line struct {
	at     time.Time
	stream string
	log    string
	source *source
}

// burst is true for the bad minutes of an hour.
func burst(at time.Time) bool { return at.Minute() >= 41 && at.Minute() < 45 }

// minute returns what a source writes in a minute.
func (c *Cluster) minute(i uint64, s *source, at time.Time) ([]line, error) {
	r := rand.New(rand.NewPCG(c.seed^i<<32, uint64(at.Unix())))
	n := int(s.rate*2*r.Float64() + r.Float64())
	var times []time.Time
	for range n {
		times = append(times, at.Add(time.Duration(r.Int64N(int64(time.Minute)))))
	}
	slices.SortFunc(times, time.Time.Compare)
	var out []line
	for _, t := range times {
		e := draw(r, s.entries, burst(at))
		x := expansion{r: r, at: t}
		text := slices.Clone(e.lines)
		for j := range text {
			var err error
			if text[j], err = x.expand(text[j]); err != nil {
				return nil, err
			}
		}
		if e.joined {
			text = []string{strings.Join(text, "\n")}
		}
		for j, log := range text {
			out = append(out, line{t.Add(time.Duration(j) * 7 * time.Microsecond), cmp.Or(e.stream, "stdout"), log, s})
		}
	}
	return out, nil
}

// object writes lines as one upload.
func (c *Cluster) object(t layout.Target, node string, lines []line, uploaded time.Time) (Object, error) {
	// Agents read several files at a time: nearly, but not strictly, in order.
	slices.SortStableFunc(lines, func(a, b line) int { return a.at.Truncate(time.Second).Compare(b.at.Truncate(time.Second)) })
	var text []byte
	for i := range lines {
		text = lines[i].appendJSON(text)
	}
	var body bytes.Buffer
	w := gzip.NewWriter(&body)
	_, err := w.Write(text)
	if err = errors.Join(err, w.Close()); err != nil {
		return Object{}, err
	}
	first := lines[0].at
	id := rand.New(rand.NewPCG(c.seed, uint64(uploaded.Unix()))).Uint32()
	name := fmt.Sprintf("%s-%s-%08x.jsonl.gz", node, first.Format("0405"), id)
	return Object{layout.RawKey(t, layout.HourOf(first.UnixNano()), name), body.Bytes(), uploaded, len(lines)}, nil
}

// appendJSON appends a record as Fluent Bit writes it.
func (l *line) appendJSON(b []byte) []byte {
	s := l.source
	member := func(key, value string) {
		b = append(b, ',')
		b = record.AppendQuoted(b, key)
		b = append(b, ':')
		b = record.AppendQuoted(b, value)
	}
	b = append(b, `{"date":`...)
	b = record.AppendQuoted(b, l.at.UTC().Format("2006-01-02T15:04:05.000000Z"))
	if s.target.Kind == layout.Node {
		member("hostname", s.node)
		member("systemd_unit", s.process+".service")
		member("syslog_identifier", s.process)
		member("message", l.log)
	} else {
		member("pod", s.pod)
		member("namespace", s.target.Name)
		member("container", s.container)
		member("time", l.at.UTC().Format("2006-01-02T15:04:05.000000000Z"))
		member("stream", l.stream)
		member("log", l.log)
	}
	member("node", s.node)
	return append(b, '}', '\n')
}
