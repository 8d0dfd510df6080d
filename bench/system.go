package bench

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Cost is what a system says that a query cost.
type Cost struct {
	// Requests to the store and bytes that came back, where the system says so.
	Requests int64 `json:"requests"`
	// Lists among the requests.
	Lists int64 `json:"lists,omitempty"`
	Bytes int64 `json:"bytes"`
}

// System is something that searches logs.
type System interface {
	// Name of the system, as the report shows it.
	Name() string
	// Ask asks a query and reads the answer.
	Ask(ctx context.Context, l *Logs, q Query) (Answer, Cost, error)
	// Run asks a query and throws the answer away as it comes.
	Run(ctx context.Context, l *Logs, q Query) error
}

// webSystem is a System that answers over HTTP.
type webSystem struct {
	name   string
	base   *url.URL
	client *http.Client
	// path and parameters of a query
	request func(l *Logs, q Query) (path string, params url.Values)
	decode  func(r io.Reader, q Query) (Answer, Cost, error)
}

// newWeb returns a system at an address.
func newWeb(name, address string) (*webSystem, error) {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return nil, fmt.Errorf("the address of %s, %q, is not an http or https URL", name, address)
	}
	return &webSystem{name: name, base: u, client: http.DefaultClient}, nil
}

func (s *webSystem) Name() string { return s.name }

// maxError is how much of an answer an error shows.
const maxError = 1 << 10

func (s *webSystem) get(ctx context.Context, l *Logs, q Query) (io.ReadCloser, error) {
	path, params := s.request(l, q)
	u := s.base.JoinPath(path)
	u.RawQuery = params.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == http.StatusOK {
		return resp.Body, nil
	}
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return nil, err
	}
	return nil, fmt.Errorf("%s answers %s: %s", s.name, resp.Status, strings.TrimSpace(string(text)))
}

func (s *webSystem) Ask(ctx context.Context, l *Logs, q Query) (a Answer, c Cost, err error) {
	body, err := s.get(ctx, l, q)
	if err != nil {
		return a, c, err
	}
	a, c, err = s.decode(body, q)
	if closeErr := body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return a, c, fmt.Errorf("%s: %w", s.name, err)
	}
	return a, c, nil
}

func (s *webSystem) Run(ctx context.Context, l *Logs, q Query) error {
	body, err := s.get(ctx, l, q)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, body)
	if closeErr := body.Close(); err == nil {
		err = closeErr
	}
	return err
}

// prometheusRequest is how Lethe and Loki are asked: lines by a range query, counts as an instant query, counts by pod and
// minute as a range query whose steps end at whole minutes.
func prometheusRequest(prefix, selector string, l *Logs, q Query) (path string, params url.Values) {
	expr := selector
	for _, f := range q.Filters {
		expr += " " + f.Op + " " + strconv.Quote(f.Text)
	}
	switch q.Mode {
	case Count:
		// Metric queries know milliseconds only, so both ends are whole seconds; the window is open at its start.
		end := l.Last/int64(time.Second) + 1
		window := end - l.First/int64(time.Second) + 1
		return prefix + "query", url.Values{
			"query": {fmt.Sprintf("sum(count_over_time(%s[%ds]))", expr, window)}, "time": {strconv.FormatInt(end, 10)},
		}
	case PodMinute:
		return prefix + "query_range", url.Values{
			"query": {fmt.Sprintf("sum by (pod) (count_over_time(%s[1m]))", expr)}, "step": {"60"},
			"start": {strconv.FormatInt(minute(l.First)*60, 10)}, "end": {strconv.FormatInt(minute(l.Last)*60, 10)},
		}
	case Lines:
	}
	direction := "forward"
	if q.Backward {
		direction = "backward"
	}
	return prefix + "query_range", url.Values{
		"query": {expr}, "start": {seconds(l.First)}, "end": {seconds(l.Last)}, "limit": {strconv.Itoa(q.Limit)}, "direction": {direction},
	}
}

// selector returns the matchers of a query in braces.
func selector(l *Logs, q Query) string {
	s := "{namespace=" + strconv.Quote(l.Namespace)
	if q.Pod != "" {
		s += ",pod=~" + strconv.Quote(q.Pod)
	}
	return s + "}"
}

// seconds writes a time as Unix seconds with all nine digits, which no float would keep.
func seconds(unixNano int64) string {
	return fmt.Sprintf("%d.%09d", unixNano/int64(time.Second), unixNano%int64(time.Second))
}
