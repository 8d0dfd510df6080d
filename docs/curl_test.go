package docs_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"lethe/functions"
	"lethe/internal/scan"
	"lethe/letheql"
	"lethe/objstore/memstore"
)

// curl: the request that it would make is answered by the process that listens at its port.
func (w *world) curl(c command) error {
	r, port, err := curlRequest(c.words[1:])
	if err != nil {
		return err
	}
	handler, err := w.listener(c, port)
	if err != nil {
		return err
	}
	answer := httptest.NewRecorder()
	handler.ServeHTTP(answer, r)
	if answer.Code != http.StatusOK {
		return fmt.Errorf("%s %s: %d: %s", r.Method, r.URL, answer.Code, answer.Body)
	}
	return nil
}

// curlRequest makes the request of a command; flags that are not here nobody has looked at.
func curlRequest(words []string) (r *http.Request, port string, err error) {
	var address *url.URL
	var data []string
	get := false
	for i := 0; i < len(words); i++ {
		word := words[i]
		switch {
		case !strings.HasPrefix(word, "-"):
			if address, err = url.Parse(word); err != nil {
				return nil, "", err
			}
		case word == "-d" || word == "--data-urlencode":
			if i++; i == len(words) {
				return nil, "", fmt.Errorf("%s of what?", word)
			}
			name, value, _ := strings.Cut(words[i], "=")
			if word == "--data-urlencode" {
				value = url.QueryEscape(value)
			}
			data = append(data, name+"="+value)
		case strings.Trim(word, "-sG") == "" && !strings.HasPrefix(word, "--"):
			get = get || strings.Contains(word, "G")
		default:
			return nil, "", fmt.Errorf("nobody has looked at curl %s", word)
		}
	}
	if address == nil || address.Hostname() != "localhost" || address.Scheme != "http" {
		return nil, "", errors.New("no address of this host")
	}
	if get {
		address.RawQuery = strings.Join(data, "&")
		return httptest.NewRequest(http.MethodGet, address.String(), nil), address.Port(), nil
	}
	if data == nil {
		return httptest.NewRequest(http.MethodGet, address.String(), nil), address.Port(), nil
	}
	r = httptest.NewRequest(http.MethodPost, address.String(), strings.NewReader(strings.Join(data, "&")))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r, address.Port(), nil
}

// listener is the handler of the command in the same document that listens at the port.
func (w *world) listener(c command, port string) (http.Handler, error) {
	for _, other := range simple(w.t, c.path, c.text) {
		i := slices.Index(other.words, "--listen")
		if i < 0 || other.words[i+1] != ":"+port {
			continue
		}
		switch {
		case slices.Contains(other.words, "serve"):
			return w.server()
		case slices.Contains(other.words, "alert"):
			return functions.NewStatusHandler(w.status())
		}
	}
	return nil, fmt.Errorf("no command of the document listens at %s", port)
}

func (w *world) status() functions.StatusOptions {
	metrics := prometheus.NewRegistry()
	return functions.StatusOptions{
		Ready: func(context.Context) error { return nil }, Metrics: metrics, Gatherer: metrics, Log: slog.New(slog.DiscardHandler), Now: time.Now,
		MaxBody: 1 << 20, Concurrency: 1,
	}
}

// server is what `lethe serve` answers with, of an empty bucket.
func (w *world) server() (http.Handler, error) {
	source, err := scan.New(memstore.New(time.Now), scan.Options{})
	if err != nil {
		return nil, err
	}
	engine, err := letheql.NewEngine(source, letheql.Options{})
	if err != nil {
		return nil, err
	}
	return functions.NewHandler(functions.Options{
		StatusOptions: w.status(), Engine: engine, Source: source, DefaultLimit: 1000, MaxQuery: 64 << 10,
		Targets: func(context.Context) ([]functions.Target, error) { return nil, nil },
	})
}

func TestWrongRequestsAreFound(t *testing.T) {
	const listen = "```sh\nlethe serve --listen :6060\nlethe alert --listen :6061\n```\n"
	wrong(t, listen, map[string]string{
		"curl -s http://localhost:6061/metrics":                                                               "",
		"curl -sG http://localhost:6060/api/v1/query --data-urlencode 'query=pod{}'":                          "",
		"curl -s http://localhost:6060/api/v1/query -d 'query=sum(rate(pod{}[5m]))'":                          "",
		"curl -s http://localhost:6060/api/v2/labels":                                                         "404",
		"curl -sG http://localhost:6061/api/v1/query --data-urlencode 'query=pod{}'":                          "404",
		"curl -sG http://localhost:6060/api/v1/query --data-urlencode 'query=pod{'":                           "400",
		"curl -sG http://localhost:6060/api/v1/query_range --data-urlencode 'query=pod{}' -d start=yesterday": "400",
		"curl -s http://localhost:6060/api/v1/metadata -d limit=1":                                            "405",
		"curl -s http://localhost:9090/metrics":                                                               "listens at 9090",
		"curl -s http://lethe.example.com/metrics":                                                            "this host",
		"curl --silent http://localhost:6060/metrics":                                                         "nobody has looked",
	})
}
