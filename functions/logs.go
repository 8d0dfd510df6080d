package functions

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"lethe/internal/render"
	"lethe/letheql"
)

// headBytes of an answer are held back, so that an error early in a scan still has a status of its own.
const headBytes = 64 << 10

// answer is a log query on its way out.
type answer struct {
	res *letheql.Result
	// limit of rows that the request has (0 is all), direction in which they come, and the cursor that it went on from.
	limit     int
	direction letheql.Direction
	from      *cursor
	// fixed: the request names its time, and not that of the clock. Such answers have a cursor where they are cut.
	fixed bool
}

// writeLogs streams rows as they are found. After an error the connection is cut, so that no client takes a part for the whole.
func (h *handler) writeLogs(w http.ResponseWriter, r *http.Request, a answer) error {
	out := &lateWriter{ctx: r.Context(), w: w}
	limit := answerLimit(r.Context())
	err := a.write(out, limit)
	if cut := out.end(); err == nil && limit == 0 { // a bounded answer was whole before its first byte was written
		err = cut
	}
	if err == nil {
		return nil
	}
	err = deadline(r.Context(), err)
	if !out.begun {
		return err
	}
	noteError(r.Context(), err)
	panic(http.ErrAbortHandler)
}

// write writes the body of an answer to w. An answer that is bounded, because it is buffered anyway, is held back as a whole: an error
// late in the scan has a status of its own as well.
func (a *answer) write(w io.Writer, limit int) error {
	if limit == 0 {
		return a.writeTo(w, &tally{})
	}
	var whole bytes.Buffer
	if err := a.writeTo(&whole, &tally{limit: limit}); err != nil {
		return err
	}
	_, err := whole.WriteTo(w)
	return err
}

func (a *answer) writeTo(w io.Writer, t *tally) error {
	buf := bufio.NewWriterSize(w, headBytes)
	if err := a.encode(buf, t); err != nil {
		return err
	}
	return buf.Flush()
}

// Encode writes a result as the body of an answer, as the API does.
func Encode(w *bufio.Writer, res *letheql.Result) error {
	if res.Type == letheql.Logs {
		a := answer{res: res}
		return a.encode(w, &tally{})
	}
	body, err := json.Marshal(valueBody(res, 0))
	if err != nil {
		return err
	}
	_, err = w.Write(append(body, '\n'))
	return err
}

// lateWriter sends the header with the first bytes. From then on the end of its context is the end of writing: a client that stops reading
// holds a query no longer than the query may run.
type lateWriter struct {
	ctx   context.Context
	w     http.ResponseWriter
	begun bool
	// kind is the type of the content; "" is JSON.
	kind string
	// stop is false where writing was ended, or is being ended until ended is closed.
	stop  func() bool
	ended chan struct{}
}

func (l *lateWriter) Write(b []byte) (int, error) {
	if !l.begun {
		l.begun = true
		l.w.Header().Set("Content-Type", cmp.Or(l.kind, "application/json"))
		l.ended = make(chan struct{})
		l.stop = context.AfterFunc(l.ctx, func() {
			defer close(l.ended)
			// A writer that has no deadline, as that of a buffered answer, has no client that stops reading either.
			_ = http.NewResponseController(l.w).SetWriteDeadline(time.Unix(1, 0))
		})
	}
	return l.w.Write(b)
}

// end is called after the last write. It returns an error where the context has ended writing meanwhile. Nobody uses the writer when it has
// returned: it goes back to the server then.
func (l *lateWriter) end() error {
	if !l.begun || l.stop() {
		return nil
	}
	<-l.ended
	return context.Cause(l.ctx)
}

func (a *answer) encode(w *bufio.Writer, t *tally) error {
	if _, err := w.WriteString(`{"status":"success","data":{"resultType":"logs","result":[`); err != nil {
		return err
	}
	rows := a.res.Rows
	if a.from != nil {
		rows = a.from.rest(rows)
	}
	cut := false
	clock := render.NewClock(time.UTC)
	var row []byte
	for l, err := range rows {
		if err != nil {
			return err
		}
		row = row[:0]
		if t.rows > 0 {
			row = append(row, ',')
		}
		row = render.AppendObject(row, &l.Row, l.Extracted, clock)
		if cut = !t.fits(row, l.Time); cut {
			break
		}
		if _, err := w.Write(row); err != nil {
			return err
		}
	}
	return a.encodeTail(w, t, cut)
}

// encodeTail ends the body with what is known only after the last row.
func (a *answer) encodeTail(w *bufio.Writer, t *tally, cut bool) error {
	parts := []part{{`],"stats":`, statsOf(a.res.Stats)}}
	warnings := a.res.Warnings
	if cut {
		warning := fmt.Sprintf("the answer was cut at %d lines, because the platform takes no more than %d bytes", t.rows, t.limit)
		if a.fixed {
			parts = append(parts, part{`,"cursor":`, a.next(t).String()})
			warning += "; the same request with the parameter cursor goes on from here"
		} else {
			warning += "; with the parameter time it would have a cursor to go on from"
		}
		warnings = append(slices.Clone(warnings), warning)
	}
	parts = append(parts, part{"}", nil})
	if len(warnings) > 0 {
		parts = append(parts, part{`,"warnings":`, warnings})
	}
	if len(a.res.Infos) > 0 {
		parts = append(parts, part{`,"infos":`, a.res.Infos})
	}
	for _, p := range append(parts, part{"}\n", nil}) {
		if err := p.write(w); err != nil {
			return err
		}
	}
	return nil
}

// next returns the cursor behind the last row that went out.
func (a *answer) next(t *tally) cursor {
	c := cursor{direction: a.direction, at: t.at, skip: t.same}
	if a.limit > 0 {
		c.left = a.limit - t.rows
	}
	if a.from != nil && a.from.at == t.at {
		c.skip += a.from.skip
	}
	return c
}

// part is a piece of a body: text, then a value where there is one.
type part struct {
	text  string
	value any
}

func (p part) write(w *bufio.Writer) error {
	if _, err := w.WriteString(p.text); err != nil || p.value == nil {
		return err
	}
	b, err := json.Marshal(p.value)
	if err != nil {
		return err
	}
	_, err = w.Write(b)
	return err
}
