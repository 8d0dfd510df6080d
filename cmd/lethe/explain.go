package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/dustin/go-humanize/english"
	"github.com/urfave/cli/v2"

	"lethe/letheql"
)

func (p *program) explainCommand() *cli.Command {
	return &cli.Command{
		Name: "explain", Usage: "print what a query would read and cost, without running it", ArgsUsage: "QUERY",
		Flags: flags(p.config, join([]string{
			"cli.start start", "cli.end end", "cli.since since", "cli.time time", "cli.step step", "cli.output output", "price.list", "price.get", "price.gb",
		}, querying)...),
		Action: p.action(1, 1, func(ctx context.Context, args []string) error { return p.explain(ctx, args[0]) }),
	}
}

// costed is a plan with what it costs at the prices of the configuration.
type costed struct {
	*letheql.Plan
	Cost float64 `json:"cost"`
}

func (p *program) explain(ctx context.Context, text string) error {
	if err := p.tableOnly("explain"); err != nil {
		return err
	}
	r, err := p.request(text)
	if err != nil {
		return err
	}
	e, err := p.openEngine(ctx)
	if err != nil {
		return err
	}
	plan, err := e.Explain(ctx, r)
	if err != nil {
		return err
	}
	price := &p.config.Price
	return p.print(costed{plan, (float64(plan.Lists)*float64(price.List)+float64(plan.Gets)*float64(price.Get))/1000 +
		float64(plan.MaxBytes)/1e9*float64(price.GB)})
}

// String is the plan for people: a table of targets, then the sums.
func (c costed) String() string {
	table := [][]string{{"TARGET", "HOURS", "BLOCKS", "LEFT OUT", "BYTES", "RAW OBJECTS", "RAW BYTES"}}
	for _, t := range c.Targets {
		table = append(table, []string{
			t.Target, strconv.Itoa(t.Hours), strconv.Itoa(t.Blocks), strconv.Itoa(t.Pruned), bytesText(t.Bytes), strconv.Itoa(t.Raw), bytesText(t.RawBytes),
		})
	}
	pieces := ""
	if c.Pieces > 0 {
		pieces = fmt.Sprintf("; a server has it read in %s by others", english.Plural(c.Pieces, "piece", ""))
	}
	return tableText(table) + fmt.Sprintf("requests: %d lists, at most %d gets; at most %s fetched; cost at most %.6f%s", c.Lists, c.Gets, bytesText(c.MaxBytes), c.Cost, pieces)
}
