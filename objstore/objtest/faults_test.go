package objtest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"lethe/objstore"
	"lethe/objstore/memstore"
	"lethe/objstore/objtest"
)

func put(ctx context.Context, b objstore.Bucket, key, value string) error {
	_, err := b.Put(ctx, key, bytes.NewReader([]byte(value)), int64(len(value)), objstore.Condition{})
	return err
}

func get(t *testing.T, b objstore.Bucket, key string) string {
	t.Helper()
	rc, _, err := b.Get(t.Context(), key, objstore.Range{})
	if errors.Is(err, objstore.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(rc)
	if err = errors.Join(err, rc.Close()); err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func TestFaultsOfAPut(t *testing.T) {
	for _, tc := range []struct {
		fault                   objtest.Fault
		err                     error
		stored, storedIfRelease string
	}{
		{objtest.None, nil, "v", "v"},
		{objtest.Before, objtest.ErrInjected, "", ""},
		{objtest.LostReply, objtest.ErrInjected, "v", "v"},
		{objtest.LateReply, objtest.ErrInjected, "", "v"},
		{objtest.CutBody, objtest.ErrInjected, "v", "v"},
	} {
		t.Run(tc.fault.String(), func(t *testing.T) {
			inner := memstore.New(time.Now)
			b := objtest.NewFaults(inner, 1, objtest.FailAt(1, tc.fault))
			if err := put(t.Context(), b, "k", "v"); !errors.Is(err, tc.err) {
				t.Errorf("got the error %v, want %v", err, tc.err)
			}
			if got := get(t, inner, "k"); got != tc.stored {
				t.Errorf("the store has %q, want %q", got, tc.stored)
			}
			b.Release(t.Context())
			if got := get(t, inner, "k"); got != tc.storedIfRelease {
				t.Errorf("at last the store has %q, want %q", got, tc.storedIfRelease)
			}
		})
	}
}

func TestLateDeleteAndItsAnswer(t *testing.T) {
	inner := memstore.New(time.Now)
	if err := put(t.Context(), inner, "k", "v"); err != nil {
		t.Fatal(err)
	}
	b := objtest.NewFaults(inner, 1, objtest.FailAt(1, objtest.LateReply))
	if err := b.Delete(t.Context(), "k"); !errors.Is(err, objtest.ErrInjected) {
		t.Fatalf("got the error %v", err)
	}
	if get(t, inner, "k") != "v" {
		t.Fatal("deleted before its time")
	}
	if answers := b.Release(t.Context()); len(answers) != 1 || answers[0] != nil {
		t.Fatalf("the late answers are %v", answers)
	}
	if get(t, inner, "k") != "" {
		t.Fatal("not deleted")
	}
}

func TestCutBody(t *testing.T) {
	inner := memstore.New(time.Now)
	if err := put(t.Context(), inner, "k", "abcdef"); err != nil {
		t.Fatal(err)
	}
	b := objtest.NewFaults(inner, 1, objtest.FailAt(1, objtest.CutBody))
	rc, _, err := b.Get(t.Context(), "k", objstore.Range{})
	if err != nil {
		t.Fatal(err)
	}
	data, err := io.ReadAll(rc)
	if string(data) != "abc" || !errors.Is(err, objtest.ErrInjected) {
		t.Fatalf("read %q and %v", data, err)
	}
}

func TestDieAt(t *testing.T) {
	inner := memstore.New(time.Now)
	b := objtest.NewFaults(inner, 1, objtest.DieAt(2, objtest.LostReply))
	for i, key := range []string{"a", "b", "c"} {
		err := put(t.Context(), b, key, "v")
		if wantErr := i > 0; (err != nil) != wantErr {
			t.Errorf("put %s: %v", key, err)
		}
	}
	if get(t, inner, "a") == "" || get(t, inner, "b") == "" || get(t, inner, "c") != "" {
		t.Error("the first two puts reach the store, the third does not")
	}
	if n := len(b.Calls()); n != 3 {
		t.Errorf("%d calls seen", n)
	}
}

func TestEachPageOfAListingIsACall(t *testing.T) {
	inner := memstore.New(time.Now)
	for _, key := range []string{"a", "b", "c"} {
		if err := put(t.Context(), inner, key, "v"); err != nil {
			t.Fatal(err)
		}
	}
	b := objtest.NewFaults(inner, 2, objtest.FailAt(2, objtest.Before))
	var got []string
	var last error
	for o, err := range b.List(t.Context(), objstore.ListOptions{}) {
		if last = err; err == nil {
			got = append(got, o.Key)
		}
	}
	if len(got) != 2 || !errors.Is(last, objtest.ErrInjected) {
		t.Fatalf("listed %q, then %v", got, last)
	}
	if c := b.Calls()[1]; c.Op != objtest.ListOp || c.Page != 1 {
		t.Errorf("the second call is %+v", c)
	}
}
