package main

import (
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// progress shows on a terminal how far long work has come; anywhere else it shows nothing. It may be told from several goroutines.
type progress struct {
	mu    sync.Mutex
	bar   *progressbar.ProgressBar
	title string
}

func (p *program) progress(title string) *progress {
	f, ok := p.stderr.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &progress{}
	}
	bar := progressbar.NewOptions64(-1, progressbar.OptionSetWriter(f), progressbar.OptionSetDescription(title), progressbar.OptionShowBytes(true),
		progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionClearOnFinish(), progressbar.OptionFullWidth(), progressbar.OptionSetPredictTime(true))
	return &progress{bar: bar, title: title}
}

// update tells how many of the bytes are done, and how many lines were in them. A failure to draw is no failure of the work.
func (g *progress) update(done, total, lines int64) {
	if g.bar == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if total > 0 && g.bar.GetMax64() != total {
		g.bar.ChangeMax64(total)
	}
	g.bar.Describe(g.title + " " + countText(lines) + " lines")
	_ = g.bar.Set64(done)
}

func (g *progress) end() {
	if g.bar != nil {
		_ = g.bar.Finish()
	}
}
