package bench

import (
	"bytes"
	"fmt"
	"hash/fnv"
	"math"
	"regexp"
	"time"

	"lethe/bench/text"
)

// Answer is what a query gives, in a form that can be compared.
type Answer struct {
	// Lines is how many lines the answer has, or the sum of its counts.
	Lines int64 `json:"lines"`
	// Hash of the lines in their order, or of the counts: see Digest.
	Hash uint64 `json:"hash"`
}

// Logs are the lines of a namespace, as text.
type Logs struct {
	Files     []string
	Namespace string
	// First and Last are the times of the first and of the last line, in Unix nanoseconds.
	First, Last int64
	Count       int64
	Bytes       int64
	// Found are the needles, by name.
	Found map[string]string
}

// needles that are looked for, by name. The first group is what is taken.
var needles = map[string]*regexp.Regexp{
	"uuid":     regexp.MustCompile(`\b([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})\b`),
	"trace":    regexp.MustCompile(`\b([0-9a-f]{32})\b`),
	"hex8":     regexp.MustCompile(`=([0-9a-f]{8})(?:\s|$)`),
	"number16": regexp.MustCompile(`\b([0-9]{16})\b`),
}

// Survey reads the logs once: what they span, how many lines they have, and the needles of the corpus.
func Survey(dir, namespace string, queries []Query) (*Logs, error) {
	files, err := text.Files(dir, namespace)
	if err != nil {
		return nil, err
	}
	l := &Logs{Files: files, Namespace: namespace, First: math.MaxInt64, Last: math.MinInt64, Found: map[string]string{}}
	pods := map[string]int64{}
	for line, err := range text.Lines(files) {
		if err != nil {
			return nil, err
		}
		if line.Time < l.Last {
			return nil, fmt.Errorf("the logs in %s are not in time order at %d", dir, line.Time)
		}
		l.First, l.Last = min(l.First, line.Time), line.Time
		l.Count++
		l.Bytes += int64(len(line.Text)) + 1
		pods[line.Pod]++
	}
	var most int64
	for pod, n := range pods {
		if n > most || (n == most && pod < l.Found["pod"]) {
			most, l.Found["pod"] = n, pod
		}
	}
	return l, l.find(Needles(queries))
}

// find looks for the needles in the second half of the logs.
func (l *Logs) find(names []string) error {
	n := int64(0)
	for line, err := range text.Lines(l.Files) {
		if err != nil {
			return err
		}
		if n++; n <= l.Count/2 {
			continue
		}
		missing := false
		for _, name := range names {
			if _, ok := l.Found[name]; ok || needles[name] == nil {
				continue
			}
			if m := needles[name].FindSubmatch(line.Message); m != nil {
				l.Found[name] = string(m[1])
			} else {
				missing = true
			}
		}
		if !missing {
			return nil
		}
	}
	return nil
}

// Expect evaluates the queries over the text, line by line and with nothing clever, and returns the answers in their order.
func (l *Logs) Expect(queries []Query) ([]Answer, error) {
	all := make([]*evaluation, len(queries))
	for i, q := range queries {
		e, err := newEvaluation(q)
		if err != nil {
			return nil, err
		}
		all[i] = e
	}
	for line, err := range text.Lines(l.Files) {
		if err != nil {
			return nil, err
		}
		for _, e := range all {
			if e.matches(line) {
				e.add(line)
			}
		}
	}
	answers := make([]Answer, len(all))
	for i, e := range all {
		answers[i] = e.answer()
	}
	return answers, nil
}

type evaluation struct {
	q       Query
	pod     *regexp.Regexp
	filters []func([]byte) bool
	// what of the answer is held: the digests of the lines, of the last ones only where the answer goes backward
	digests []uint64
	counts  map[Cell]int64
	total   int64
}

func newEvaluation(q Query) (*evaluation, error) {
	e := &evaluation{q: q, counts: map[Cell]int64{}}
	if q.Pod != "" {
		var err error
		if e.pod, err = regexp.Compile("^(?:" + q.Pod + ")$"); err != nil {
			return nil, fmt.Errorf("query %q: %w", q.Name, err)
		}
	}
	for _, f := range q.Filters {
		keep := func(b []byte) bool { return bytes.Contains(b, []byte(f.Text)) }
		if f.Regexp() {
			re, err := regexp.Compile(f.Text)
			if err != nil {
				return nil, fmt.Errorf("query %q: %w", q.Name, err)
			}
			keep = re.Match
		}
		e.filters = append(e.filters, func(b []byte) bool { return keep(b) != f.Negated() })
	}
	return e, nil
}

func (e *evaluation) matches(l *text.Line) bool {
	if e.pod != nil && !e.pod.MatchString(l.Pod) {
		return false
	}
	for _, keep := range e.filters {
		if !keep(l.Message) {
			return false
		}
	}
	return true
}

func (e *evaluation) add(l *text.Line) {
	switch {
	case e.q.Mode == PodMinute:
		e.counts[Cell{l.Pod, minute(l.Time)}]++
	case e.q.Mode == Count:
		e.total++
	case e.q.Limit > 0 && len(e.digests) == e.q.Limit && !e.q.Backward:
	case e.q.Limit > 0 && len(e.digests) == e.q.Limit:
		e.digests = append(e.digests[1:], lineDigest(l.Time, l.Pod, l.Container, l.Message))
	default:
		e.digests = append(e.digests, lineDigest(l.Time, l.Pod, l.Container, l.Message))
	}
}

func (e *evaluation) answer() Answer {
	switch e.q.Mode {
	case Count:
		return Answer{Lines: e.total}
	case PodMinute:
		return CountsAnswer(e.counts)
	case Lines:
	}
	var d Digest
	for i := range e.digests {
		if e.q.Backward {
			i = len(e.digests) - 1 - i
		}
		d.sum(e.digests[i])
	}
	return d.Answer()
}

// Cell is one count of a query by pod and minute.
type Cell struct {
	Pod string
	// Minute is the Unix time in minutes at which the count ends: it counts the lines after the minute before, up to it.
	Minute int64
}

func minute(t int64) int64 {
	m := t / int64(time.Minute)
	if t%int64(time.Minute) > 0 {
		m++
	}
	return m
}

// CountsAnswer returns the answer of counts. Zeros are as if they were not there.
func CountsAnswer(counts map[Cell]int64) Answer {
	var a Answer
	for c, n := range counts {
		if n != 0 {
			a.Lines += n
			a.Hash ^= digest(fmt.Appendf(nil, "%s %d %d", c.Pod, c.Minute, n))
		}
	}
	return a
}

// Digest takes lines in their order and gives an answer.
type Digest struct{ a Answer }

// Add takes the next line.
func (d *Digest) Add(unixNano int64, pod, container string, message []byte) {
	d.sum(lineDigest(unixNano, pod, container, message))
}

func (d *Digest) sum(line uint64) {
	d.a.Lines++
	d.a.Hash = d.a.Hash*1_099_511_628_211 + line
}

// Answer returns that of the lines so far.
func (d *Digest) Answer() Answer { return d.a }

func lineDigest(unixNano int64, pod, container string, message []byte) uint64 {
	return digest(fmt.Appendf(nil, "%d %s %s %s", unixNano, pod, container, message))
}

func digest(line []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(line) // a hash never fails
	return h.Sum64()
}
