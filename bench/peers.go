package bench

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// NewLoki returns the Loki at an address, whose streams have the labels namespace, pod and container.
func NewLoki(address string) (System, error) {
	s, err := newWeb("loki", address)
	if err != nil {
		return nil, err
	}
	s.request = func(l *Logs, q Query) (string, url.Values) {
		path, params := prometheusRequest("loki/api/v1/", selector(l, q), l, q)
		if q.Mode == Lines {
			// Its end is not included, and it reads nanoseconds.
			params.Set("start", strconv.FormatInt(l.First, 10))
			params.Set("end", strconv.FormatInt(l.Last+1, 10))
		}
		return path, params
	}
	s.decode = decodeLoki
	return s, nil
}

func decodeLoki(r io.Reader, q Query) (a Answer, c Cost, err error) {
	var body letheAnswer
	if err := json.NewDecoder(r).Decode(&body); err != nil {
		return a, c, err
	}
	if q.Mode != Lines {
		a, err = decodeSamples(body.Data.Type, body.Data.Result)
		return a, c, err
	}
	var streams []struct {
		Values [][2]string `json:"values"`
	}
	if err := json.Unmarshal(body.Data.Result, &streams); err != nil {
		return a, c, err
	}
	for _, s := range streams {
		a.Lines += int64(len(s.Values))
	}
	return a, c, nil
}

// NewVictoriaLogs returns the VictoriaLogs at an address, whose lines have the fields namespace, pod, container and _msg.
func NewVictoriaLogs(address string) (System, error) {
	s, err := newWeb("victorialogs", address)
	if err != nil {
		return nil, err
	}
	s.request = func(l *Logs, q Query) (string, url.Values) {
		params := url.Values{"query": {logsQL(l, q)}, "start": {rfc3339(l.First)}, "end": {rfc3339(l.Last + 1)}}
		if q.Mode == Lines && q.Backward {
			params.Set("limit", strconv.Itoa(q.Limit))
		}
		return "select/logsql/query", params
	}
	s.decode = decodeVictoriaLogs
	return s, nil
}

func rfc3339(unixNano int64) string { return time.Unix(0, unixNano).UTC().Format(time.RFC3339Nano) }

// logsQL writes a query in LogsQL. A literal is asked for as an expression, for its phrase filter knows whole words only.
func logsQL(l *Logs, q Query) string {
	parts := []string{selector(l, q)}
	for _, f := range q.Filters {
		text := f.Text
		if !f.Regexp() {
			text = regexp.QuoteMeta(text)
		}
		part := "~" + strconv.Quote(text)
		if f.Negated() {
			part = "!(" + part + ")"
		}
		parts = append(parts, part)
	}
	if len(q.Filters) == 0 {
		parts = append(parts, "*")
	}
	s := strings.Join(parts, " ")
	switch q.Mode {
	case Count:
		return s + " | stats count() lines"
	case PodMinute:
		return s + " | stats by (_time:1m, pod) count() lines"
	case Lines:
	}
	if q.Backward {
		return s
	}
	return fmt.Sprintf("%s | sort by (_time) limit %d", s, q.Limit)
}

// decodeVictoriaLogs counts lines, or adds up counts: its minutes begin where those of others end.
func decodeVictoriaLogs(r io.Reader, q Query) (a Answer, c Cost, err error) {
	b := bufio.NewReader(r)
	for {
		line, err := b.ReadBytes('\n')
		if line = bytes.TrimSpace(line); len(line) > 0 {
			n := int64(1)
			if q.Mode != Lines {
				var row struct {
					Lines int64 `json:"lines,string"`
				}
				if err := json.Unmarshal(line, &row); err != nil {
					return a, c, err
				}
				n = row.Lines
			}
			a.Lines += n
		}
		if errors.Is(err, io.EOF) {
			return a, c, nil
		}
		if err != nil {
			return a, c, err
		}
	}
}
