package main

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"lethe/alerting"
	"lethe/alerting/alertmanager"
	"lethe/functions"
	"lethe/internal/alertstore"
	"lethe/letheql"
	"lethe/objstore"
)

// alertingFlags are those of what evaluates rules.
var alertingFlags = []string{
	"alerting.rules rules", "alerting.alertmanagers alertmanager", "alerting.config.file alertmanager-config", "alerting.external_url external-url",
	"alerting.ingest_delay", "alerting.late", "alerting.hold_max",
}

func (p *program) alertCommand() *cli.Command {
	return &cli.Command{
		Name: "alert", Usage: "evaluate alerting rules and tell Alertmanagers",
		Description: "Any number of evaluators may run at once: their states are in the bucket, and each line counts once.",
		Flags: flags(p.config, join([]string{"cli.once once", "alerting.every every", "alerting.listen_address listen"}, alertingFlags, listening,
			queueing, querying)...),
		Action: p.action(0, 0, func(ctx context.Context, _ []string) error { return p.alert(ctx) }),
	}
}

func (p *program) alert(ctx context.Context) error {
	bucket, err := p.openBucket(ctx)
	if err != nil {
		return err
	}
	reg := newRegistry()
	a, err := p.openAlerting(ctx, bucket, reg)
	if err != nil {
		return err
	}
	defer a.close()
	address := p.config.Alerting.ListenAddress
	switch {
	case bool(p.args.Once):
		if address != "" {
			p.log.Warn("alerting.listen_address is for what goes on evaluating: with --once nothing listens", "address", address)
		}
		return p.alertOnce(ctx, a)
	case address == "":
		return p.alertLoop(ctx, a)
	}
	handler, err := functions.NewStatusHandler(p.statusOptions(bucket, reg, p.ruleStatus(bucket, a)))
	if err != nil {
		return err
	}
	if handler, err = p.secured(handler); err != nil {
		return err
	}
	l, err := listen(ctx, address)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return p.answer(ctx, l, handler) })
	g.Go(func() error { return p.alertLoop(ctx, a) })
	return g.Wait()
}

// errRulesFailed: the log says which rules and why.
var errRulesFailed = errors.New("not all rules could be evaluated; their alerts stay as they were")

// alertOnce evaluates the rules once, and prints what became of it. A rule that fails makes it fail, for nothing else tells of it afterwards.
func (p *program) alertOnce(ctx context.Context, a *alerter) error {
	s, err := a.Run(ctx, p.now())
	if err == nil && s.RulesFailed > 0 {
		err = errRulesFailed
	}
	_, perr := fmt.Fprintf(p.stdout, "evaluated %d groups (%d not due, %d lost to another evaluator, %d failed); %d rules failed; %d alerts fire, %d were notified\n",
		s.Groups, s.NotDue, s.Lost, s.Failed, s.RulesFailed, s.Firing, s.Notified)
	return errors.Join(err, perr)
}

// alertLoop evaluates the rules regularly until the context ends.
func (p *program) alertLoop(ctx context.Context, a *alerter) error {
	every := p.config.Alerting.Every.Std()
	if every <= 0 {
		return usagef("alerting.every must be more than 0")
	}
	return p.loop(ctx, 0, every, func() error {
		_, err := a.Run(ctx, p.now())
		return err
	})
}

// openAlerting returns an evaluator of the rules that are configured.
func (p *program) openAlerting(ctx context.Context, bucket objstore.Bucket, reg prometheus.Registerer) (*alerter, error) {
	c := &p.config.Alerting
	a := &alerter{bucket: bucket, patterns: c.Rules, log: p.log, now: p.now}
	groups, err := a.load(ctx)
	if err != nil {
		return nil, err
	}
	if a.metrics, err = newLoadMetrics(reg); err != nil {
		return nil, err
	}
	a.note(nil)
	source, err := p.source(bucket)
	if err != nil {
		return nil, err
	}
	engine, err := alerting.NewEngine(p.engineOptions(), p.now)
	if err != nil {
		return nil, err
	}
	external, err := url.Parse(string(c.ExternalURL))
	if err != nil {
		return nil, usagef("alerting.external_url is no URL")
	}
	config, err := p.alertmanagers()
	if err != nil {
		return nil, usage(err)
	}
	o := alerting.Options{
		Store: alertstore.NewStates(bucket), Source: source, Engine: engine,
		Arrivals:    alertstore.NewArrivals(bucket, func(r objstore.Reader) (letheql.Source, error) { return source.Over(r), nil }, p.log),
		IngestDelay: orNone(c.IngestDelay.Std()), Late: c.Late.Std(), HoldMax: c.HoldMax.Std(), Interval: c.Every.Std(),
		ExternalLabels: config.ExternalLabels, ExternalURL: external, Now: p.now, NewID: newID, Logger: p.log, Registerer: reg,
	}
	if len(config.Alertmanagers) > 0 {
		if a.client, err = alertmanager.New(alertmanager.Options{Config: config, ExternalURL: external, Now: p.now, Logger: p.log, Registerer: reg}); err != nil {
			return nil, usage(err)
		}
		o.Notifier = a.client
	} else {
		p.log.Warn("no Alertmanager is configured: alerts are evaluated, and nobody is told")
	}
	a.Evaluator, err = alerting.New(groups, o)
	if errors.Is(err, alerting.ErrOptions) {
		err = usage(err)
	}
	return a, err
}

// alertmanagers reads the file of Alertmanagers, and adds those that are named by URL.
func (p *program) alertmanagers() (*alertmanager.Config, error) {
	c := &alertmanager.Config{}
	if file := string(p.config.Alerting.ConfigFile); file != "" {
		body, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		if c, err = alertmanager.ParseConfig(body, filepath.Dir(file)); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
	}
	byFlag := p.config.Setting("alerting.alertmanagers").ByFlag()
	for _, text := range p.config.Alerting.Alertmanagers {
		if err := c.AddURL(text); err != nil {
			return nil, err
		}
		if u, err := url.Parse(text); byFlag && err == nil && u.User != nil {
			p.log.Warn("the password of an Alertmanager was given in a flag, which shells remember, and the list of processes shows until it is blotted out; give the URL by an environment variable or a file", "host", u.Host)
		}
	}
	return c, nil
}

// alertFunction evaluates the rules at the time of each event.
func (p *program) alertFunction(ctx context.Context) (any, error) {
	bucket, err := p.openBucket(ctx)
	if err != nil {
		return nil, err
	}
	a, err := p.openAlerting(ctx, bucket, nil)
	if err != nil {
		return nil, err
	}
	return functions.Alert(func(ctx context.Context, at time.Time) (alerting.Summary, error) { return a.Run(ctx, at) }), nil
}

// statusKept is how long groups are shown that nobody evaluates any more.
const statusKept = 24 * time.Hour

// ruleStatus tells the state of rules.
type ruleStatus = func(ctx context.Context) (*alerting.Status, error)

// ruleStatus asks the evaluator of this process, or, where it has none, the bucket for what others have left there.
func (p *program) ruleStatus(bucket objstore.Reader, a *alerter) ruleStatus {
	if a != nil {
		return func(ctx context.Context) (*alerting.Status, error) { return a.Status(ctx), nil }
	}
	return func(ctx context.Context) (*alerting.Status, error) { return alertstore.Status(ctx, bucket, statusKept) }
}
