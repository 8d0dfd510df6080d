package alertmanager

import (
	"sync"
	"time"
)

// health is whether an Alertmanager could be told lately. Groups of rules tell their alerts side by side, and each waits until its alerts are told: without it,
// all of them would wait for one that does not answer, a few after the other.
type health struct {
	mu     sync.Mutex
	failed bool
	// trying: somebody asks one that had failed. until is when the next one may.
	trying bool
	until  time.Time
}

// begin returns how often a request may be tried, and false where it may not be sent at all. After true, end is due.
func (h *health) begin(now time.Time) (tries int, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case !h.failed:
		return attempts, true
	case h.trying, now.Before(h.until):
		return 0, false
	}
	h.trying = true
	return 1, true
}

// end notes what became of a request.
func (h *health) end(now time.Time, told bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failed, h.trying, h.until = !told, false, now.Add(rest)
}
