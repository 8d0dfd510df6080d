package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/urfave/cli/v2"

	"lethe/compactor"
	"lethe/functions"
)

// runtimeVariable is set by the platform that runs functions.
const runtimeVariable = "AWS_LAMBDA_RUNTIME_API"

// functionNames are what LETHE_FUNCTION may say.
var functionNames = []string{"query", "compact", "alert"}

func (p *program) lambdaCommand() *cli.Command {
	return &cli.Command{
		Name: "lambda", Usage: "serve a function under the AWS Lambda runtime, or say how to try it", ArgsUsage: strings.Join(functionNames, "|"),
		Flags: flags(p.config, join([]string{"cli.stream stream"}, listening, answering, querying, compacting, alertingFlags)...),
		Action: p.action(1, 1, func(ctx context.Context, args []string) error {
			if _, ok := p.lookupEnv(runtimeVariable); ok {
				return p.function(ctx, args[0])
			}
			return p.howToTry(args[0])
		}),
	}
}

// underRuntime serves the function that LETHE_FUNCTION names. It is what the binary does without arguments under the runtime.
func (p *program) underRuntime(ctx context.Context) error {
	if err := p.settle(); err != nil {
		return err
	}
	p.log = newLogger(p.stderr, p.config.Log)
	return p.function(ctx, string(p.args.Function))
}

// function serves one function until the platform ends the process.
func (p *program) function(ctx context.Context, name string) error {
	h, err := p.functionHandler(ctx, name)
	if err != nil {
		return errors.Join(err, p.reportInit(ctx, err))
	}
	lambda.StartWithOptions(h, lambda.WithContext(ctx))
	return nil
}

// initTimeout bounds the report of a function that cannot start. The platform that takes it is on the same machine.
const initTimeout = 2 * time.Second

// reportInit tells the platform why a function cannot start, so that who invokes it learns it too.
func (p *program) reportInit(ctx context.Context, cause error) error {
	ctx, cancel := context.WithTimeout(ctx, initTimeout)
	defer cancel()
	body, err := json.Marshal(map[string]string{"errorType": "Lethe.Init", "errorMessage": cause.Error()})
	if err != nil {
		return err
	}
	api, _ := p.lookupEnv(runtimeVariable)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+api+"/2018-06-01/runtime/init/error", bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Lambda-Runtime-Function-Error-Type", "Lethe.Init")
	res, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(req) // no proxy leads there
	if err != nil {
		return err
	}
	return res.Body.Close()
}

func (p *program) functionHandler(ctx context.Context, name string) (any, error) {
	switch name {
	case "query":
		return p.queryFunction(ctx)
	case "compact":
		return p.compactFunction(ctx)
	case "alert":
		return p.alertFunction(ctx)
	}
	return nil, usagef("there is no function %q; LETHE_FUNCTION is one of %s", name, strings.Join(functionNames, ", "))
}

func (p *program) queryFunction(ctx context.Context) (any, error) {
	bucket, err := p.openBucket(ctx)
	if err != nil {
		return nil, err
	}
	h, err := p.handler(bucket, prometheus.NewRegistry(), p.ruleStatus(bucket, nil))
	if err != nil {
		return nil, err
	}
	guarded, err := p.guarded(h)
	switch {
	case err != nil:
		return nil, err
	case p.config.Query.Fanout.N > 0 && bool(p.args.Stream):
		return functions.Invoked(h, functions.Streaming(guarded)), nil
	case p.config.Query.Fanout.N > 0:
		return functions.Invoked(h, functions.Buffered(guarded)), nil
	case bool(p.args.Stream):
		return functions.Streaming(guarded), nil
	}
	return functions.Buffered(guarded), nil
}

// guarded asks for a user and a password where the configuration names users.
func (p *program) guarded(h http.Handler) (http.Handler, error) {
	w := &p.config.Web
	switch {
	case w.ConfigFile != "" && w.ConfigBase64 != "":
		return nil, usagef("web.config.file and web.config.base64 are both given")
	case w.ConfigFile != "":
		file, err := os.ReadFile(string(w.ConfigFile))
		if err != nil {
			return nil, fmt.Errorf("web.config.file: %w", err)
		}
		return functions.BasicAuth(file, h)
	case w.ConfigBase64 != "":
		file, err := base64.StdEncoding.DecodeString(string(w.ConfigBase64))
		if err != nil {
			// The text may hold secrets, so it is not shown.
			return nil, usagef("web.config.base64 is not base64")
		}
		return functions.BasicAuth(file, h)
	}
	return h, nil
}

func (p *program) compactFunction(ctx context.Context) (any, error) {
	bucket, err := p.openBucket(ctx)
	if err != nil {
		return nil, err
	}
	c, err := p.compactor(bucket, compactor.Options{})
	if err != nil {
		return nil, err
	}
	return functions.Compact(func(ctx context.Context) (*compactor.Summary, error) {
		s, err := c.Run(ctx)
		if s != nil {
			err = partly(ctx, s, err)
			p.log.Info("compacted", "lines", s.Lines.Written, "objects", s.In.Objects, "unfinished", s.Unfinished)
		}
		return s, err
	}), nil
}

// partly takes a pass that its deadline has ended for one that is unfinished, where it has committed something: the next one goes on from
// there. One that has got nowhere stays an error, for the next would get as far.
func partly(ctx context.Context, s *compactor.Summary, err error) error {
	if !errors.Is(err, context.DeadlineExceeded) || ctx.Err() == nil || s.Commits == 0 {
		return err
	}
	if s.Unfinished == "" {
		s.Unfinished = "the deadline came in the middle of a commit"
	}
	return nil
}

// howToTry says how to run a function on one's own machine.
func (p *program) howToTry(name string) error {
	if asCommand[name] == "" {
		return usagef("there is no function %q; there are %s", name, strings.Join(functionNames, ", "))
	}
	_, err := fmt.Fprintf(p.stdout, `This is not the runtime of AWS Lambda: %[1]s is not set. Under it, the same binary serves the function:

  LETHE_FUNCTION=%[2]s LETHE_BUCKET=s3://bucket?region=eu-central-1 lethe

deploy/aws/template.yaml installs all functions. On this machine the same code runs as a command:

  %[3]s
`, runtimeVariable, name, asCommand[name])
	return err
}

// asCommand names the command that does what a function does.
var asCommand = map[string]string{
	"query":   "lethe --bucket URL serve --compact-every 0",
	"compact": "lethe --bucket URL compact",
	"alert":   "lethe --bucket URL alert --once --rules FILE --alertmanager URL",
}
