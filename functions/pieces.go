package functions

import (
	"context"
	"errors"
	"io"
	"net/http"

	"github.com/aws/aws-lambda-go/events"

	"lethe/internal/fanout"
	"lethe/internal/scan"
	"lethe/letheql"
)

// Pieces answers other instances that ask for pieces of their queries. *fanout.Worker is one.
type Pieces interface {
	// Answer writes the answer to a request; see fanout.Worker.
	Answer(ctx context.Context, request []byte, w io.Writer) (*letheql.Stats, error)
}

// piece answers a request for a piece. What ends too early has no trailer, so nobody takes it for whole.
func (h *handler) piece(w http.ResponseWriter, r *http.Request, _ form) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return formError(err)
	}
	out := &lateWriter{ctx: r.Context(), w: w, kind: fanout.ContentType}
	stats, err := h.o.Pieces.Answer(r.Context(), body, out)
	note := noteOf(r.Context())
	note.stats, note.elsewhere = stats, true
	if ended := out.end(); err == nil {
		err = ended
	}
	if err == nil {
		return nil
	}
	err = deadline(r.Context(), err)
	noteError(r.Context(), err)
	if !out.begun {
		status, class := classifyPiece(err)
		writeJSON(w, r, status, fanout.NewFailure(err, string(class)))
	}
	return nil
}

func classifyPiece(err error) (int, errorType) {
	var gone *scan.GoneError
	switch {
	case errors.As(err, &gone):
		return http.StatusNotFound, notFound
	case errors.Is(err, fanout.ErrRequest), errors.Is(err, scan.ErrPiece), errors.Is(err, letheql.ErrShare):
		return http.StatusBadRequest, badData
	case errors.Is(err, letheql.ErrShareSize):
		return http.StatusUnprocessableEntity, execution
	}
	return classify(err)
}

// inPieceTurn lets pieces have a gate of their own: a query that waits for its pieces must not stand in their way.
func (h *handler) inPieceTurn(e endpoint) endpoint {
	return func(w http.ResponseWriter, r *http.Request, f form) error {
		return h.through(r.Context(), h.pieces, f, func(ctx context.Context) error { return e(w, r.WithContext(ctx), f) })
	}
}

// Invoked serves requests for pieces from other invocations of a function, by direct, and hands all other events to next. The platform has made sure that
// who sends the former may invoke the function, and what guards a URL is not asked: an event of a URL cannot look like one.
func Invoked[R any](direct http.Handler, next func(context.Context, events.APIGatewayV2HTTPRequest) (R, error)) func(context.Context, fanout.Event) (any, error) {
	pieces := Buffered(direct)
	return func(ctx context.Context, e fanout.Event) (any, error) {
		if e.Direct {
			return pieces(ctx, e.APIGatewayV2HTTPRequest)
		}
		return next(ctx, e.APIGatewayV2HTTPRequest)
	}
}
