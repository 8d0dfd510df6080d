package alertmanager

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"lethe/alerting"
)

const (
	// batchSize is the number of alerts in one request.
	batchSize = 64
	// attempts is how often a request is tried, with pauses of firstPause, twice that, and so on.
	attempts   = 5
	firstPause = 200 * time.Millisecond
	// budget bounds the time of one Notify: an Alertmanager that does not answer must not keep rules from being evaluated.
	budget = 20 * time.Second
	// rest is how long an Alertmanager that could not be told is left alone.
	rest = 10 * time.Second
	// maxAnswer is how much of an answer is read for an error.
	maxAnswer = 1 << 10
)

// errRests is the error where an Alertmanager is not asked because another request could not reach it.
var errRests = errors.New("it was not asked again, for it could not be told a moment ago")

// ErrRefused is wrapped where an Alertmanager answered that it does not take the request, and would not the next time either.
var ErrRefused = errors.New("the Alertmanager refused")

// Options of a Client.
type Options struct {
	Config *Config
	// ExternalURL leads to this installation, for the source of alerts; nil where there is none.
	ExternalURL *url.URL
	Logger      *slog.Logger
	// Now is the clock, which says when an Alertmanager that could not be told is tried again. Required.
	Now func() time.Time
	// Registerer gets the metrics; nil keeps them unregistered.
	Registerer prometheus.Registerer
}

// Client tells Alertmanagers. It implements alerting.Notifier and may be used by several goroutines at once.
type Client struct {
	opts  Options
	peers []*peer
	m     *metrics
}

var _ alerting.Notifier = (*Client)(nil)

// peer is one Alertmanager.
type peer struct {
	url     string
	http    *http.Client
	timeout time.Duration
	relabel []*relabel.Config
	// tokenQuery is that of the URL where its token comes from: errors of connecting show it.
	tokenQuery string
	health     health
}

// New returns a client. Errors wrap ErrConfig.
func New(o Options) (*Client, error) {
	if o.Config == nil || o.Logger == nil || o.Now == nil {
		return nil, fmt.Errorf("%w: Config, Logger and Now are required", ErrConfig)
	}
	if err := o.Config.validate(); err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, err
	}
	c := &Client{opts: o, m: m}
	for _, e := range o.Config.Alertmanagers {
		hc, err := config.NewClientFromConfig(e.HTTPClientConfig, "alertmanager")
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrConfig, err)
		}
		urls, err := e.urls()
		if err != nil {
			return nil, err
		}
		for _, u := range urls {
			c.peers = append(c.peers, &peer{url: u, http: hc, timeout: time.Duration(e.Timeout), relabel: e.AlertRelabelConfigs, tokenQuery: e.tokenQuery()})
			// Who takes the increase of a counter sees its first step only where it began at 0.
			m.sent.WithLabelValues(u)
			m.failed.WithLabelValues(u)
		}
	}
	return c, nil
}

// Close lets go of idle connections.
func (c *Client) Close() {
	for _, p := range c.peers {
		p.http.CloseIdleConnections()
	}
}

// postable is an alert as API v2 takes it (postableAlert in Alertmanager's api/v2/openapi.yaml).
type postable struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// Notify sends the alerts to every Alertmanager, all of them at once and each in batches. See alerting.Notifier.
func (c *Client) Notify(ctx context.Context, alerts []alerting.Notification) ([]bool, error) {
	accepted := make([]bool, len(alerts))
	if len(c.peers) == 0 {
		for i := range accepted {
			accepted[i] = true
		}
		return accepted, nil
	}
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	taken := make([][]bool, len(c.peers))
	errs := make([]error, len(c.peers))
	var wg sync.WaitGroup
	for i, p := range c.peers {
		wg.Go(func() { taken[i], errs[i] = c.tell(ctx, p, alerts) })
	}
	wg.Wait()
	for i := range alerts {
		for _, t := range taken {
			accepted[i] = accepted[i] || t[i]
		}
	}
	return accepted, errors.Join(errs...)
}

// tell sends the alerts to one Alertmanager and returns which are done with: accepted, dropped by relabeling, or refused for good. After a
// batch that could not be sent the others wait for the next time.
func (c *Client) tell(ctx context.Context, p *peer, alerts []alerting.Notification) ([]bool, error) {
	done := make([]bool, len(alerts))
	var batch []postable
	var places []int
	var errs []error
	down := false
	flush := func() {
		if len(batch) == 0 || down {
			batch, places = batch[:0], places[:0]
			return
		}
		taken, err := c.send(ctx, p, batch)
		for i, ok := range taken {
			done[places[i]] = ok
		}
		if err != nil {
			errs = append(errs, err)
			down = !errors.Is(err, ErrRefused)
		}
		batch, places = batch[:0], places[:0]
	}
	for i, a := range alerts {
		out, keep := c.postable(p, a)
		if !keep {
			done[i] = true
			continue
		}
		batch, places = append(batch, out), append(places, i)
		if len(batch) == batchSize {
			flush()
		}
	}
	flush()
	return done, errors.Join(errs...)
}

// postable relabels an alert; false drops it.
func (c *Client) postable(p *peer, a alerting.Notification) (postable, bool) {
	b := labels.NewBuilder(c.opts.Config.external(a.Labels))
	if !relabel.ProcessBuilder(b, c.opts.Config.AlertRelabelConfigs...) || !relabel.ProcessBuilder(b, p.relabel...) {
		return postable{}, false
	}
	ls := b.Labels()
	if ls.IsEmpty() {
		return postable{}, false
	}
	return postable{
		Labels: ls.Map(), Annotations: a.Annotations.Map(), StartsAt: a.StartsAt, EndsAt: a.EndsAt,
		GeneratorURL: alerting.SourceURL(c.opts.ExternalURL, a.Expr),
	}, true
}

// send posts a batch. A batch that is refused is sent alert by alert, so that one that the Alertmanager does not take keeps no other
// back; the refused one is given up, for it would be refused again.
func (c *Client) send(ctx context.Context, p *peer, batch []postable) ([]bool, error) {
	taken := make([]bool, len(batch))
	err := c.post(ctx, p, batch)
	switch {
	case err == nil:
		for i := range taken {
			taken[i] = true
		}
		c.m.sent.WithLabelValues(p.url).Add(float64(len(batch)))
		return taken, nil
	case !errors.Is(err, ErrRefused):
		c.m.failed.WithLabelValues(p.url).Add(float64(len(batch)))
		return taken, err
	case len(batch) == 1:
		c.m.failed.WithLabelValues(p.url).Inc()
		c.opts.Logger.Error("An Alertmanager refuses an alert", "url", p.url, "labels", batch[0].Labels, "err", err)
		taken[0] = true
		return taken, err
	}
	var errs []error
	for i := range batch {
		one, err := c.send(ctx, p, batch[i:i+1])
		taken[i] = one[0]
		errs = append(errs, err)
	}
	return taken, errors.Join(errs...)
}

// post sends one request, and again after a pause where it failed for a reason that may pass, until ctx ends. An Alertmanager that could not be told
// before is tried once.
func (c *Client) post(ctx context.Context, p *peer, batch []postable) error {
	body, err := json.Marshal(batch)
	if err != nil {
		return fmt.Errorf("encode alerts: %w", err)
	}
	tries, ok := p.health.begin(c.opts.Now())
	if !ok {
		return fmt.Errorf("post alerts to %s: %w", p.url, errRests)
	}
	err = c.tryUpTo(ctx, p, body, tries)
	p.health.end(c.opts.Now(), err == nil || errors.Is(err, ErrRefused) || errors.Is(err, context.Canceled))
	return err
}

func (c *Client) tryUpTo(ctx context.Context, p *peer, body []byte, tries int) error {
	pause := firstPause
	for try := 1; ; try++ {
		err := c.try(ctx, p, body)
		if err == nil || errors.Is(err, ErrRefused) || try == tries {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
		pause *= 2
	}
}

func (c *Client) try(ctx context.Context, p *peer, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	s := &secrets{}
	s.add(p.tokenQuery)
	ctx = httptrace.WithClientTrace(ctx, s.trace())
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, p.url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("post alerts: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "lethe")
	res, err := p.http.Do(req)
	if err != nil {
		return fmt.Errorf("post alerts: %w", s.quiet(err))
	}
	body, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	answer := s.hide(string(body))
	if err := errors.Join(err, res.Body.Close()); err != nil {
		return fmt.Errorf("post alerts to %s: read the answer: %w", p.url, err)
	}
	switch {
	case res.StatusCode/100 == 2:
		return nil
	case res.StatusCode == http.StatusBadRequest, res.StatusCode == http.StatusUnprocessableEntity, res.StatusCode == http.StatusRequestEntityTooLarge:
		return fmt.Errorf("%w: %s answered %s: %s", ErrRefused, p.url, res.Status, answer)
	}
	return fmt.Errorf("post alerts: %s answered %s: %s", p.url, res.Status, answer)
}

type metrics struct{ sent, failed *prometheus.CounterVec }

func newMetrics(reg prometheus.Registerer) (*metrics, error) {
	vec := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "lethe", Subsystem: "alerting", Name: name, Help: help}, []string{"alertmanager"})
	}
	m := &metrics{
		sent:   vec("notifications_sent_total", "Alerts that an Alertmanager has accepted."),
		failed: vec("notifications_failed_total", "Alerts that an Alertmanager has not accepted."),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.sent, m.failed} {
		if err := reg.Register(c); err != nil {
			return nil, fmt.Errorf("register the metrics of notifications: %w", err)
		}
	}
	return m, nil
}
