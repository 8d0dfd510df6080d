package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"

	"lethe/bench/text"
)

// loadBatch is how many bytes of messages are sent at once.
const loadBatch = 2 << 20

// LoadVictoriaLogs sends the lines of files to the VictoriaLogs at an address, in the streams that NewVictoriaLogs asks for.
func LoadVictoriaLogs(ctx context.Context, address, namespace string, files []string) (lines int64, err error) {
	s, err := newWeb("victorialogs", address)
	if err != nil {
		return 0, err
	}
	u := s.base.JoinPath("insert/jsonline")
	u.RawQuery = url.Values{"_stream_fields": {"namespace,pod,container"}, "_time_field": {"time"}, "_msg_field": {"log"}}.Encode()
	var body bytes.Buffer
	e := json.NewEncoder(&body)
	e.SetEscapeHTML(false)
	for l, err := range text.Lines(files) {
		if err != nil {
			return lines, err
		}
		row := map[string]string{"time": rfc3339(l.Time), "namespace": namespace, "pod": l.Pod, "container": l.Container, "log": string(l.Message)}
		if err := e.Encode(row); err != nil {
			return lines, err
		}
		lines++
		if body.Len() >= loadBatch {
			if err := post(ctx, u, "application/stream+json", &body); err != nil {
				return lines, err
			}
		}
	}
	return lines, post(ctx, u, "application/stream+json", &body)
}

// LoadLoki sends the lines of files to the Loki at an address. It must take old lines, and as many streams as there are pods.
func LoadLoki(ctx context.Context, address, namespace string, files []string) (lines int64, err error) {
	s, err := newWeb("loki", address)
	if err != nil {
		return 0, err
	}
	u := s.base.JoinPath("loki/api/v1/push")
	type stream struct {
		Stream map[string]string `json:"stream"`
		Values [][2]string       `json:"values"`
	}
	streams := map[[2]string]*stream{}
	size := 0
	send := func() error {
		var body bytes.Buffer
		all := make([]*stream, 0, len(streams))
		for _, s := range streams {
			all = append(all, s)
		}
		if err := json.NewEncoder(&body).Encode(map[string]any{"streams": all}); err != nil {
			return err
		}
		clear(streams)
		size = 0
		return post(ctx, u, "application/json", &body)
	}
	for l, err := range text.Lines(files) {
		if err != nil {
			return lines, err
		}
		key := [2]string{l.Pod, l.Container}
		st := streams[key]
		if st == nil {
			st = &stream{Stream: map[string]string{"namespace": namespace, "pod": l.Pod, "container": l.Container}}
			streams[key] = st
		}
		st.Values = append(st.Values, [2]string{strconv.FormatInt(l.Time, 10), string(l.Message)})
		lines++
		if size += len(l.Message); size >= loadBatch {
			if err := send(); err != nil {
				return lines, err
			}
		}
	}
	return lines, send()
}

// post sends a body and empties it.
func post(ctx context.Context, u *url.URL, contentType string, body *bytes.Buffer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, u.String(), bytes.NewReader(body.Bytes()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	said, err := io.ReadAll(io.LimitReader(resp.Body, maxError))
	if closeErr := resp.Body.Close(); err == nil {
		err = closeErr
	}
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s answers %s: %s", u.Host, resp.Status, bytes.TrimSpace(said))
	}
	body.Reset()
	return err
}
