package bench

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// NewLethe returns the Lethe that serves at an address.
func NewLethe(address string) (System, error) {
	return NewLetheOver(http.DefaultClient, address)
}

// NewLetheOver returns the Lethe that a client reaches at an address.
func NewLetheOver(client *http.Client, address string) (System, error) {
	s, err := newWeb("lethe", address)
	if err != nil {
		return nil, err
	}
	s.client = client
	s.request = func(l *Logs, q Query) (string, url.Values) {
		return prometheusRequest("api/v1/", "pod"+selector(l, q), l, q)
	}
	s.decode = decodeLethe
	return s, nil
}

// letheAnswer is the part of an answer that counts and values have in common.
type letheAnswer struct {
	Status string `json:"status"`
	Data   struct {
		Type   string          `json:"resultType"`
		Result json.RawMessage `json:"result"`
		Stats  struct {
			Lists int64 `json:"lists"`
			Gets  int64 `json:"gets"`
			Bytes int64 `json:"bytesFetched"`
		} `json:"stats"`
	} `json:"data"`
}

// letheRow is a line.
type letheRow struct {
	Time      time.Time `json:"time"`
	Pod       string    `json:"pod"`
	Container string    `json:"container"`
	Log       string    `json:"log"`
}

func decodeLethe(r io.Reader, q Query) (a Answer, c Cost, err error) {
	var body letheAnswer
	if err := json.NewDecoder(r).Decode(&body); err != nil {
		return a, c, err
	}
	c = Cost{Requests: body.Data.Stats.Lists + body.Data.Stats.Gets, Lists: body.Data.Stats.Lists, Bytes: body.Data.Stats.Bytes}
	if q.Mode != Lines {
		a, err = decodeSamples(body.Data.Type, body.Data.Result)
		return a, c, err
	}
	var rows []letheRow
	if err := json.Unmarshal(body.Data.Result, &rows); err != nil {
		return a, c, err
	}
	var d Digest
	for _, row := range rows {
		d.Add(row.Time.UnixNano(), row.Pod, row.Container, []byte(row.Log))
	}
	return d.Answer(), c, nil
}

// sample is a point in time and a value, as Prometheus writes them.
type sample struct {
	at    float64
	value float64
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *sample) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &[]any{&s.at, &text}); err != nil {
		return err
	}
	var err error
	s.value, err = strconv.ParseFloat(text, 64)
	return err
}

// decodeSamples reads a vector or a matrix of counts.
func decodeSamples(kind string, result []byte) (a Answer, err error) {
	var series []struct {
		Metric map[string]string `json:"metric"`
		Value  *sample           `json:"value"`
		Values []sample          `json:"values"`
	}
	if err := json.Unmarshal(result, &series); err != nil {
		return a, err
	}
	switch kind {
	case "vector":
		for _, s := range series {
			if s.Value == nil {
				return a, errors.New("a vector has an element without a value")
			}
			a.Lines += int64(s.Value.value)
		}
		return a, nil
	case "matrix":
		counts := map[Cell]int64{}
		for _, s := range series {
			for _, v := range s.Values {
				counts[Cell{s.Metric["pod"], int64(math.Round(v.at / 60))}] += int64(v.value)
			}
		}
		return CountsAnswer(counts), nil
	}
	return a, fmt.Errorf("the answer is a %q, not a vector or a matrix", kind)
}
