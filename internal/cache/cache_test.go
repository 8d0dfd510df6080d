package cache

import "testing"

func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	c := New[string, int](100)
	c.Add("a", 1, 25)
	c.Add("b", 2, 25)
	c.Add("c", 3, 25)
	c.Add("d", 4, 25)
	if _, ok := c.Get("a"); !ok {
		t.Fatal("a is gone although all fit")
	}
	c.Add("e", 5, 25)
	if _, ok := c.Get("b"); ok {
		t.Error("b was not used for longest and is still there")
	}
	if v, ok := c.Get("a"); !ok || v != 1 {
		t.Error("a was used and is gone")
	}
	c.Add("huge", 6, 26)
	if _, ok := c.Get("huge"); ok {
		t.Error("a value of more than a quarter of the budget was kept")
	}
	c.Add("a", 7, 1)
	if v, _ := c.Get("a"); v != 1 {
		t.Error("a value has changed under its key")
	}
	if used, n := c.Used(); used != 100 || n != 4 {
		t.Errorf("%d bytes in %d values are kept", used, n)
	}
}

func TestNoBudgetKeepsNothing(t *testing.T) {
	for _, budget := range []int64{0, -1} {
		c := New[int, int](budget)
		c.Add(1, 1, 1)
		if _, ok := c.Get(1); ok {
			t.Errorf("a budget of %d keeps a value", budget)
		}
	}
}

func TestReplace(t *testing.T) {
	c := New[string, int](100)
	c.Add("a", 1, 10)
	c.Replace("a", 2, 20)
	c.Replace("b", 3, 5)
	if v, _ := c.Get("a"); v != 2 {
		t.Errorf("a is %d", v)
	}
	if used, n := c.Used(); used != 25 || n != 2 {
		t.Errorf("%d bytes in %d values are kept", used, n)
	}
	c.Replace("a", 4, 26)
	if v, ok := c.Get("a"); ok {
		t.Errorf("a is still %d, although its new value is too large", v)
	}
}

func TestRemove(t *testing.T) {
	c := New[string, int](100)
	c.Add("a", 1, 10)
	c.Add("b", 2, 20)
	c.Remove("a")
	c.Remove("a")
	if _, ok := c.Get("a"); ok {
		t.Error("a is still there")
	}
	if used, n := c.Used(); used != 20 || n != 1 {
		t.Errorf("%d bytes in %d values are kept", used, n)
	}
}
