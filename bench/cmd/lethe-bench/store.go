package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"lethe/bench/meter"
)

// errNoMeter: only a store whose address can be replaced can be looked at.
var errNoMeter = errors.New("--latency and counting take a bucket with a plain endpoint: s3://NAME?endpoint=HOST:PORT&insecure=true")

// metered puts a meter before the store of a bucket, and returns the bucket's URL through it. Call stop in the end.
func metered(ctx context.Context, bucket string, delay time.Duration) (through string, m *meter.Meter, stop func() error, err error) {
	u, err := url.Parse(bucket)
	if err != nil {
		return "", nil, nil, err
	}
	q := u.Query()
	endpoint := strings.TrimPrefix(q.Get("endpoint"), "http://")
	if u.Scheme != "s3" || endpoint == "" || q.Get("insecure") != "true" {
		return "", nil, nil, errNoMeter
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, nil, err
	}
	m = meter.New(&url.URL{Scheme: "http", Host: endpoint}, delay)
	s := &http.Server{Handler: m, ReadHeaderTimeout: time.Minute}
	go func() { _ = s.Serve(l) }() // it ends with stop, and what goes wrong before shows in the requests
	q.Set("endpoint", l.Addr().String())
	u.RawQuery = q.Encode()
	return u.String(), m, s.Close, nil
}
