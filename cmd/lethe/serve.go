package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/exporter-toolkit/web"
	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"lethe/compactor"
	"lethe/functions"
	"lethe/internal/config"
	"lethe/internal/fanout"
	"lethe/internal/overview"
	"lethe/objstore"
)

// maxHeader bounds the header of a request in bytes.
const maxHeader = 64 << 10

func (p *program) serveCommand() *cli.Command {
	return &cli.Command{
		Name: "serve", Usage: "answer queries over HTTP, and compact",
		Flags: flags(p.config, join([]string{"web.listen_address listen", "compactor.every compact-every", "alerting.every alert-every"}, listening, answering, querying, compacting, alertingFlags)...),
		Action: p.action(0, 0, func(ctx context.Context, _ []string) error {
			bucket, err := p.openBucket(ctx)
			if err != nil {
				return err
			}
			s, err := p.newService(ctx, bucket)
			if err != nil {
				return err
			}
			defer s.close()
			return s.run(ctx, 0)
		}),
	}
}

// service is what `lethe serve` runs. It listens from the beginning, so that an address which is taken is found at once: who connects before it
// runs waits.
type service struct {
	*program
	bucket   objstore.Bucket
	listener net.Listener
	handler  http.Handler
	metrics  *compactor.Metrics
	alerts   *alerter // nil where there are no rules
}

func (p *program) newService(ctx context.Context, bucket objstore.Bucket) (_ *service, err error) {
	s := &service{program: p, bucket: bucket}
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	reg := newRegistry()
	if len(p.config.Alerting.Rules) > 0 {
		if s.alerts, err = p.openAlerting(ctx, bucket, reg); err != nil {
			return nil, err
		}
	}
	h, err := p.handler(bucket, reg, p.ruleStatus(bucket, s.alerts))
	if err != nil {
		return nil, err
	}
	if s.handler, err = p.secured(h); err != nil {
		return nil, err
	}
	if s.metrics, err = compactor.NewMetrics(reg); err != nil {
		return nil, err
	}
	s.listener, err = listen(ctx, p.config.Web.ListenAddress)
	return s, err
}

func (s *service) close() {
	if s.alerts != nil {
		s.alerts.close()
	}
	if s.listener != nil {
		_ = s.listener.Close() // it is closed already where the service ran
	}
}

// run answers queries until the context ends, and compacts after first and then regularly.
func (s *service) run(ctx context.Context, first time.Duration) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.answer(ctx, s.listener, s.handler) })
	if s.config.Compactor.Every > 0 {
		g.Go(func() error { return s.compactLoop(ctx, s.bucket, s.metrics, first) })
	} else {
		g.Go(func() error { return s.watchCompactor(ctx, s.bucket, s.metrics) })
	}
	if s.alerts != nil {
		g.Go(func() error { return s.alertLoop(ctx, s.alerts) })
	}
	return g.Wait()
}

// newRegistry returns a registry that has the metrics of the process.
func newRegistry() *prometheus.Registry {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return reg
}

// handler returns the handler of all endpoints over a bucket.
func (p *program) handler(bucket objstore.Reader, reg *prometheus.Registry, rules ruleStatus) (http.Handler, error) {
	workers, err := p.workers()
	if err != nil {
		return nil, err
	}
	source, err := p.sourceWith(bucket, workers)
	if err != nil {
		return nil, err
	}
	engine, err := p.engine(source)
	if err != nil {
		return nil, err
	}
	q := &p.config.Query
	o := functions.Options{
		StatusOptions: p.statusOptions(bucket, reg, rules), Engine: engine, Source: source,
		Targets:      func(ctx context.Context) ([]functions.Target, error) { return targets(ctx, bucket, q.Parallel.N) },
		DefaultLimit: p.defaultLimit(), MaxLimit: p.maxLimit(), MaxQuery: int(q.MaxLength),
	}
	if workers != nil {
		o.Pieces = &fanout.Worker{Scanner: source, Engine: engine}
	}
	return functions.NewHandler(o)
}

func (p *program) statusOptions(bucket objstore.Reader, reg *prometheus.Registry, rules ruleStatus) functions.StatusOptions {
	q := &p.config.Query
	return functions.StatusOptions{
		Rules: rules, Ready: func(ctx context.Context) error { return answers(ctx, bucket) },
		Metrics: reg, Gatherer: reg, Log: p.log, Now: p.now, Version: buildVersion(), MaxBody: int64(p.config.Web.MaxBody),
		Timeout: q.Timeout.Std(), Concurrency: q.Concurrency.N, Queue: q.Queue.N, Patience: q.QueueTimeout.Std(),
	}
}

func targets(ctx context.Context, bucket objstore.Reader, parallel int) ([]functions.Target, error) {
	all, err := overview.Read(ctx, bucket, parallel)
	if err != nil {
		return nil, err
	}
	out := make([]functions.Target, 0, len(all))
	for i := range all {
		out = append(out, functions.Target{Kind: string(all[i].Kind), Name: all[i].Name, Newest: all[i].Newest()})
	}
	return out, nil
}

// answers tells whether the bucket answers: a listing of at most one entry is enough to know.
func answers(ctx context.Context, bucket objstore.Reader) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	for _, err := range bucket.List(ctx, objstore.ListOptions{Delimiter: "/"}) {
		return err
	}
	return nil
}

// secured puts the users of web.config.base64 before a handler. Those of web.config.file are put there by answer, which reads it anew for each
// connection.
func (p *program) secured(h http.Handler) (http.Handler, error) {
	if p.config.Web.ConfigBase64 == "" {
		return h, nil
	}
	return p.guarded(h)
}

func listen(ctx context.Context, address config.Text) (net.Listener, error) {
	var lc net.ListenConfig
	return lc.Listen(ctx, "tcp", string(address))
}

// answer serves a handler until the context ends; requests that run then may go on for the grace period.
func (p *program) answer(ctx context.Context, l net.Listener, h http.Handler) error {
	w := &p.config.Web
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: w.ReadTimeout.Std(), ReadTimeout: w.ReadTimeout.Std(), WriteTimeout: w.WriteTimeout.Std(),
		IdleTimeout: w.IdleTimeout.Std(), MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(p.log.Handler(), slog.LevelWarn),
	}
	file := string(w.ConfigFile)
	done := make(chan error, 1)
	go func() { done <- web.Serve(l, server, &web.FlagConfig{WebConfigFile: &file}, p.log) }()
	select {
	case err := <-done:
		return fmt.Errorf("serving %s: %w", l.Addr(), config.Redact(err))
	case <-ctx.Done():
	}
	p.log.Info("stopping", "grace", w.GracePeriod.String())
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.GracePeriod.Std())
	defer cancel()
	err := server.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		err = errors.Join(fmt.Errorf("requests were cut after %s", w.GracePeriod.String()), server.Close())
	}
	if serr := <-done; !errors.Is(serr, http.ErrServerClosed) {
		err = errors.Join(err, serr)
	}
	return err
}

// watchCompactor shows in the metrics what the compactors of other processes left in the bucket of their last passes.
func (p *program) watchCompactor(ctx context.Context, bucket objstore.Reader, m *compactor.Metrics) error {
	watch := compactor.NewWatch(bucket, m)
	return p.loop(ctx, 0, time.Minute, func() error { return watch.Look(ctx) })
}
