package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"lethe/bench"
	"lethe/bench/text"
)

func runCommand() *cli.Command {
	return &cli.Command{
		Name: "run", Usage: "ask Lethe and others the same queries, compare the answers with the text, and print medians",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "text", Required: true, Usage: "`FOLDER` of the same logs as text, as gen writes it"},
			&cli.StringFlag{Name: "namespace", Value: "default"},
			&cli.StringFlag{Name: "lethe", Value: "http://localhost:6060", Usage: "`URL` of `lethe serve`"},
			&cli.StringFlag{Name: "victorialogs", Usage: "`URL` of a VictoriaLogs that has the same logs"},
			&cli.StringFlag{Name: "loki", Usage: "`URL` of a Loki that has the same logs"},
			&cli.BoolFlag{Name: "grep", Value: true, Usage: "search the text with rg, else grep"},
			&cli.StringFlag{Name: "corpus", Usage: "`FILE` of other queries"},
			&cli.StringFlag{Name: "match", Usage: "ask only queries whose name has this `TEXT`"},
			&cli.IntFlag{Name: "runs", Value: 5, Usage: "timed runs of each query"},
			&cli.StringFlag{Name: "json", Usage: "`FILE` for the report as JSON"},
			&cli.StringFlag{Name: "svg", Usage: "`FILE` for the medians as a plot"},
		},
		Action: run,
	}
}

func run(c *cli.Context) error {
	queries, err := corpus(c.String("corpus"), c.String("match"))
	if err != nil {
		return err
	}
	systems, err := systems(c)
	if err != nil {
		return err
	}
	logs, err := bench.Survey(c.String("text"), c.String("namespace"), queries)
	if err != nil {
		return err
	}
	report, err := bench.Compare(c.Context, bench.Options{
		Queries: queries, Logs: logs, Systems: systems, Runs: c.Int("runs"), Now: time.Now,
		Progress: func(r bench.Result) { fmt.Fprintf(os.Stderr, "%s: %.1f ms\n", r.Query, r.Systems[0].Median) },
	})
	if err != nil {
		return err
	}
	for flag, write := range map[string]func(io.Writer) error{"json": report.WriteJSON, "svg": report.WriteSVG} {
		if path := c.String(flag); path != "" {
			var b bytes.Buffer
			if err := write(&b); err != nil {
				return err
			}
			if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
				return err
			}
		}
	}
	if err := report.WriteText(os.Stdout); err != nil {
		return err
	}
	if wrong := report.Wrong(); len(wrong) > 0 {
		return fmt.Errorf("lethe gives no answer or a wrong one to %d queries: %s", len(wrong), strings.Join(wrong, ", "))
	}
	return nil
}

func corpus(path, match string) ([]bench.Query, error) {
	var r io.Reader = bytes.NewReader(bench.Corpus)
	if path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		r = bytes.NewReader(b)
	}
	all, err := bench.ReadCorpus(r)
	if err != nil {
		return nil, err
	}
	var queries []bench.Query
	for _, q := range all {
		if strings.Contains(q.Name, match) {
			queries = append(queries, q)
		}
	}
	if len(queries) == 0 {
		return nil, fmt.Errorf("no query has %q in its name", match)
	}
	return queries, nil
}

func systems(c *cli.Context) ([]bench.System, error) {
	first, err := bench.NewLethe(c.String("lethe"))
	if err != nil {
		return nil, err
	}
	all := []bench.System{first}
	for name, open := range map[string]func(string) (bench.System, error){"victorialogs": bench.NewVictoriaLogs, "loki": bench.NewLoki} {
		if address := c.String(name); address != "" {
			s, err := open(address)
			if err != nil {
				return nil, err
			}
			all = append(all, s)
		}
	}
	if c.Bool("grep") {
		s, err := bench.NewGrep()
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func loadCommand() *cli.Command {
	return &cli.Command{
		Name: "load", Usage: "send the text of a namespace to VictoriaLogs or Loki",
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "text", Required: true, Usage: "`FOLDER` of the text, as gen writes it"},
			&cli.StringFlag{Name: "namespace", Value: "default"},
			&cli.StringFlag{Name: "victorialogs", Usage: "`URL`"},
			&cli.StringFlag{Name: "loki", Usage: "`URL`"},
		},
		Action: func(c *cli.Context) error {
			if c.String("victorialogs") == "" && c.String("loki") == "" {
				return errors.New("say --victorialogs, --loki, or both")
			}
			namespace := c.String("namespace")
			files, err := text.Files(c.String("text"), namespace)
			if err != nil {
				return err
			}
			if address := c.String("victorialogs"); address != "" {
				n, err := bench.LoadVictoriaLogs(c.Context, address, namespace, files)
				if err != nil {
					return err
				}
				fmt.Fprintf(os.Stderr, "victorialogs: %d lines\n", n)
			}
			if address := c.String("loki"); address != "" {
				n, err := bench.LoadLoki(c.Context, address, namespace, files)
				if err != nil {
					return err
				}
				fmt.Fprintf(os.Stderr, "loki: %d lines\n", n)
			}
			return nil
		},
	}
}
