package main

import (
	"math"
	"time"

	"github.com/urfave/cli/v2"

	"lethe/bench/meter"
)

// minutesAMonth is how often something runs in a month of 30 days that runs each minute.
const minutesAMonth = 30 * 24 * 60

// prices in US dollars, of a function and of the requests that it sends.
type prices struct {
	memory                          float64 // GB that a function has
	gbSecond, invocation, list, get float64
}

// priceFlags have the prices of us-east-1, of functions on arm64.
func priceFlags() []cli.Flag {
	return []cli.Flag{
		&cli.IntFlag{Name: "memory", Value: 1769, Usage: "`MB` that the function has; at 1769 AWS gives it one core"},
		&cli.Float64Flag{Name: "price-gb-second", Value: 0.0000133334, Usage: "USD"},
		&cli.Float64Flag{Name: "price-invocation", Value: 0.20, Usage: "USD for a million"},
		&cli.Float64Flag{Name: "price-list", Value: 0.005, Usage: "USD for 1,000 LIST or PUT requests"},
		&cli.Float64Flag{Name: "price-get", Value: 0.0004, Usage: "USD for 1,000 GET or HEAD requests"},
	}
}

func pricesOf(c *cli.Context) prices {
	return prices{
		memory: float64(c.Int("memory")) / 1024, gbSecond: c.Float64("price-gb-second"), invocation: c.Float64("price-invocation") / 1e6,
		list: c.Float64("price-list") / 1000, get: c.Float64("price-get") / 1000,
	}
}

// gbSeconds are billed by whole milliseconds.
func (p *prices) gbSeconds(took time.Duration) float64 {
	return p.memory * math.Ceil(millis(took)) / 1000
}

// of returns what an invocation costs. Deleting is free.
func (p *prices) of(took time.Duration, n meter.Counts) float64 {
	return p.gbSeconds(took)*p.gbSecond + p.invocation + float64(n.List+n.Put)*p.list + float64(n.Get+n.Head)*p.get
}
