package record

import (
	"errors"
	"fmt"
	"io"
	"time"

	"lethe/internal/layout"
)

const (
	// MaxPhysicalLine is how much of one line of JSON is looked at, in bytes. What lies beyond it is read past and counted as cut.
	MaxPhysicalLine = 16 << 20
	// MaxDecoded is how long a decoded body may be where the options do not say, in bytes.
	MaxDecoded = int64(8) << 30
	// MaxLabelBytes is the longest pod, container, stream, node or process that is kept whole; a longer one is cut.
	MaxLabelBytes = 1 << 10

	minLine = 256
)

// ErrOptions marks options that cannot be.
var ErrOptions = errors.New("invalid decoder options")

// DecoderOptions say where a body comes from and what it may hold.
type DecoderOptions struct {
	// Target is what the object's key says. It wins over what the records say.
	Target layout.Target
	// Arrived is the object's LastModified. It is the time of broken lines before the first good one.
	Arrived time.Time
	// MaxLine is the longest line that is kept whole, in bytes, from 256 to MaxPhysicalLine; 0 means MaxLineBytes.
	MaxLine int
	// MaxPhysical is how much of one line of JSON is looked at, in bytes, from 256 to MaxPhysicalLine; 0 means MaxPhysicalLine.
	MaxPhysical int
	// MaxDecoded is how long the decoded body may be, in bytes; 0 means the constant MaxDecoded. A longer one is unreadable.
	MaxDecoded int64
	// MaxWindow is how large a window a zstd frame may ask for, in bytes, from 1 KiB to the constant MaxWindow, which 0 means. The decoder holds
	// that much. A frame that asks for more is unreadable, with an error that wraps ErrWindow too.
	MaxWindow int64
	// Skip leaves out the lines that end within the first Skip decoded bytes, for an earlier object has brought them. Their times and
	// numbers count all the same, so what follows is decoded as if they had been returned.
	Skip int64
	// Tee, where it is set, gets all decoded bytes of the body in order, those of Skip too. Its errors end the decoding.
	Tee io.Writer
}

func (o *DecoderOptions) check() error {
	if o.MaxLine == 0 {
		o.MaxLine = MaxLineBytes
	}
	if o.MaxPhysical == 0 {
		o.MaxPhysical = MaxPhysicalLine
	}
	if o.MaxDecoded == 0 {
		o.MaxDecoded = MaxDecoded
	}
	if o.MaxWindow == 0 {
		o.MaxWindow = MaxWindow
	}
	switch {
	case o.Target.Kind != layout.Pod && o.Target.Kind != layout.Node:
		return fmt.Errorf("%w: the target's kind is %q", ErrOptions, o.Target.Kind)
	case o.MaxLine < minLine || o.MaxLine > MaxPhysicalLine:
		return fmt.Errorf("%w: MaxLine is %d, it must be from %d to %d", ErrOptions, o.MaxLine, minLine, MaxPhysicalLine)
	case o.MaxPhysical < minLine || o.MaxPhysical > MaxPhysicalLine:
		return fmt.Errorf("%w: MaxPhysical is %d, it must be from %d to %d", ErrOptions, o.MaxPhysical, minLine, MaxPhysicalLine)
	case o.MaxWindow < minWindow || o.MaxWindow > MaxWindow:
		return fmt.Errorf("%w: MaxWindow is %d, it must be from %d to %d", ErrOptions, o.MaxWindow, minWindow, MaxWindow)
	case o.MaxDecoded < 0 || o.Skip < 0:
		return fmt.Errorf("%w: MaxDecoded is %d and Skip %d, neither may be negative", ErrOptions, o.MaxDecoded, o.Skip)
	}
	return nil
}

// Stats count what a decoder has returned.
type Stats struct {
	// Lines returned, Broken those among them that were no record with a time, Cut those that were longer than MaxLine.
	Lines, Broken, Cut int64
	// Bytes of the body that were decoded, those of Skip too.
	Bytes int64
	// FirstBroken says what was wrong with the first broken line.
	FirstBroken Broken
}

// Broken says where in a body a line was broken, and why.
type Broken struct {
	// Line counts from 1 over all lines of the body, those of Skip and empty ones too; 0 where none was broken.
	Line int64
	// Reason is for people.
	Reason string
}

// Decoder turns the body of a raw object into rows: JSON lines, plain, gzip or zstd. docs/raw.md describes what it takes from a
// record. It holds at most about twice DecoderOptions.MaxPhysical bytes and DecoderOptions.MaxWindow. It is not safe
// for concurrent use.
type Decoder struct {
	opts  DecoderOptions
	body  body
	lines lineReader
	scan  scanner
	times timeParser
	names interner
	stats Stats

	last  int64 // time of the last good record, or of arrival
	node  string
	ended error
}

// NewDecoder returns a decoder of the body r. The caller closes r, after the decoder is done. Errors are those of Next and ErrOptions.
func NewDecoder(r io.Reader, o DecoderOptions) (*Decoder, error) {
	d := new(Decoder)
	if err := d.Reset(r, o); err != nil {
		return nil, err
	}
	return d, nil
}

// Reset makes the decoder read another body and keeps its memory. After an error it may be called again.
func (d *Decoder) Reset(r io.Reader, o DecoderOptions) error {
	d.ended = io.EOF
	if err := o.check(); err != nil {
		return err
	}
	d.opts, d.stats, d.node = o, Stats{}, ""
	d.last = o.Arrived.UnixNano()
	if err := d.body.reset(r, o.MaxDecoded, o.MaxWindow); err != nil {
		return err
	}
	d.lines.reset(&d.body, o.Tee, o.MaxPhysical)
	d.ended = nil
	return nil
}

// Close lets go of the body and of the decoders' memory. It does not close the reader that the decoder was given.
func (d *Decoder) Close() {
	d.ended = io.EOF
	d.body.release()
	d.lines = lineReader{}
}

// Next fills in the next row. Row.Log is valid until the next call of Next, Reset or Close; the labels stay.
// It returns io.EOF after the last line, an error wrapping ErrUnreadable for a body that cannot be decoded further, and any other
// error of the reader or the tee as it is.
func (d *Decoder) Next(row *Row) error {
	for d.ended == nil {
		line, err := d.lines.next()
		d.stats.Bytes = d.lines.decoded
		if err != nil {
			d.ended = err
			break
		}
		if len(trim(line.text)) == 0 && line.beyond == 0 {
			continue
		}
		d.decode(row, line)
		if line.end > d.opts.Skip {
			return nil
		}
	}
	return d.ended
}

// Stats returns the counts so far.
func (d *Decoder) Stats() Stats { return d.stats }
