package main

import (
	"cmp"
	"context"
	"math"
	"net/http"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"

	"lethe/internal/fanout"
	"lethe/internal/scan"
)

// minCounts is the least that counts of a piece may take in memory.
const minCounts = 1 << 20

// workers returns who reads pieces of large queries, as the configuration says; nil where nobody does.
func (p *program) workers() (scan.Workers, error) {
	q := &p.config.Query
	if q.Fanout.N == 0 {
		return nil, nil
	}
	self, _ := p.lookupEnv("AWS_LAMBDA_FUNCTION_NAME")
	// Those of all pieces are held at once.
	o := fanout.Options{Now: p.now, MaxRows: math.MaxInt, MaxCounts: max(int(q.MaxMemory)/q.Fanout.N, minCounts)}
	var err error
	switch name := cmp.Or(string(q.FanoutFunction), self); {
	case q.FanoutURL != "" && q.FanoutFunction != "":
		return nil, usagef("query.fanout_url and query.fanout_function are both given")
	case q.FanoutURL != "":
		if o.Transport, err = fanout.NewHTTP(string(q.FanoutURL), string(q.FanoutConfigFile)); err != nil {
			return nil, usagef("query.fanout_url: %w", err)
		}
	case name != "":
		l := p.invoker(name)
		if err := l.Validate(); err != nil {
			return nil, usagef("query.fanout_function: %w", err)
		}
		o.Transport, o.MaxRows, o.MaxCounts = l, fanout.LambdaRows, min(o.MaxCounts, fanout.LambdaCounts)
	default:
		return nil, usagef("query.fanout is %d, but nobody is there to read pieces: set query.fanout_url or query.fanout_function", q.Fanout.N)
	}
	return fanout.New(o)
}

// invoker invokes a function with the credentials of the environment, which are looked for when they are needed.
func (p *program) invoker(name string) *fanout.Lambda {
	first := func(names ...string) string {
		for _, n := range names {
			if v, ok := p.lookupEnv(n); ok && v != "" {
				return v
			}
		}
		return ""
	}
	load := sync.OnceValues(func() (aws.Config, error) { return config.LoadDefaultConfig(context.Background()) })
	return &fanout.Lambda{
		Function: name, Region: first("AWS_REGION", "AWS_DEFAULT_REGION"), Endpoint: first("AWS_ENDPOINT_URL_LAMBDA", "AWS_ENDPOINT_URL"),
		Credentials: aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
			c, err := load()
			if err != nil {
				return aws.Credentials{}, err
			}
			return c.Credentials.Retrieve(ctx)
		}),
		Client: &http.Client{}, Now: p.now,
	}
}
