package letheql

import "testing"

// Every time lies in exactly the slots of the windows that hold it, and within the bounds that find gives for its slot.
func TestSlotsAgreeWithWindows(t *testing.T) {
	for step := int64(1); step <= 7; step++ {
		for length := int64(1); length <= 24; length++ {
			for n := 1; n <= 6; n++ {
				checkSlots(t, newSlots(-3, step, length, n))
			}
		}
	}
}

func checkSlots(t *testing.T, s slots) {
	t.Helper()
	from, to := s.bounds()
	if s.count() >= 4*s.n+1 {
		t.Fatalf("%+v: %d slots", s, s.count())
	}
	for at := from - 3; at <= to+3; at++ {
		slot, lo, hi := s.find(at)
		if slot >= s.count() || lo >= at || at > hi {
			t.Fatalf("%+v: time %d is in slot %d (%d, %d]", s, at, slot, lo, hi)
		}
		for _, near := range []int64{lo + 1, hi} {
			if other, _, _ := s.find(near); other != slot {
				t.Fatalf("%+v: %d is in slot %d, %d within the same bounds in %d", s, at, slot, near, other)
			}
		}
		for i := range s.n {
			a, b := s.window(i)
			end := s.edge + int64(i)*s.step
			if in := end-s.length < at && at <= end; in != (a <= slot && slot < b) {
				t.Fatalf("%+v: time %d, window %d (%d, %d]: in it is %v, slot %d of [%d, %d)", s, at, i, end-s.length, end, in, slot, a, b)
			}
		}
	}
}
