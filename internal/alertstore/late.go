package alertstore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"path"
	"slices"

	"golang.org/x/sync/errgroup"

	"lethe/alerting"
	"lethe/internal/catalog"
	"lethe/internal/layout"
	"lethe/internal/rawobj"
	"lethe/internal/record"
	"lethe/objstore"
)

// Late implements alerting.View. Rows come target by target, and within a target in the order in which their objects arrived. A body that
// begins with what another object has brought contributes only the rest: objects that were accounted for count as having brought
// theirs, as long as they are listed or the manifest remembers them.
//
// An object that the manifest names and that nobody has accounted for is deleted only where the compactor holds nothing any more, or by
// somebody else. Another evaluator may have accounted for it meanwhile; but then it has swapped the state, and this run is lost anyway. So
// its lines are missed, which ends no run: the next one would not find them either.
func (v *view) Late(ctx context.Context, q alerting.LateSelect) iter.Seq2[alerting.KindRow, error] {
	return func(yield func(alerting.KindRow, error) bool) {
		for _, p := range v.sortedTargets() {
			if more, err := v.lateOf(ctx, p, q, yield); err != nil {
				yield(alerting.KindRow{}, gone(err))
				return
			} else if !more {
				return
			}
		}
	}
}

// objects of a target, as far as they matter to late lines.
type objects struct {
	// fresh are new since the last evaluation; pending were accounted for and are not consumed yet; old were accounted for and consumed.
	fresh, pending, old []objstore.Object
	// isFresh by key, and freshNames by the name that a manifest remembers: of fresh objects, and of those that were missed.
	isFresh, freshNames map[string]bool
}

func (v *view) lateOf(ctx context.Context, p *pinned, q alerting.LateSelect, yield func(alerting.KindRow, error) bool) (more bool, err error) {
	o, err := v.sort(ctx, p, q)
	if err != nil || len(o.fresh) == 0 {
		return true, err
	}
	sealed := catalog.SealedBodies(v.bucket, &p.snapshot)
	set, err := rawobj.Resolve(ctx, v.bucket, slices.Concat(o.fresh, o.pending), o.counted(p.snapshot.Manifest.Bodies), rawobj.Options{
		Target: p.target, Consumed: o.old,
		Sealed: func(ctx context.Context, first layout.Hour) ([]catalog.Body, error) {
			bodies, err := sealed(ctx, first)
			return o.counted(bodies), err
		},
		Counted: func(obj objstore.Object) bool { return !o.isFresh[obj.Key] },
		Known: func(obj objstore.Object) (rawobj.Head, bool) {
			if o.isFresh[obj.Key] { // it is read anyway
				return rawobj.Head{}, false
			}
			return v.heads.get(obj)
		},
	})
	if err != nil {
		if errors.Is(err, objstore.ErrNotExist) {
			v.heads.forget(o.pending)
		}
		return false, fmt.Errorf("late lines of %s: %w", p.target, err)
	}
	v.heads.keep(set)
	for i := range set.Len() {
		obj := set.Object(i)
		if !o.isFresh[obj.Key] || set.Duplicate(i) {
			continue
		}
		more, err := v.lateIn(ctx, p, set, i, q, yield)
		if errors.Is(err, record.ErrUnreadable) {
			// The compactor will put it into quarantine; what could be read of it has been counted.
			v.log.Warn("A raw object does not decode; its late lines are not counted by alert rules", "key", obj.Key, "err", err)
			continue
		}
		if err != nil || !more {
			return more, err
		}
	}
	return true, nil
}

// sort tells the raw objects of a target apart. Those that are named as consumed and were not listed are looked up.
func (v *view) sort(ctx context.Context, p *pinned, q alerting.LateSelect) (objects, error) {
	o := objects{isFresh: map[string]bool{}, freshNames: map[string]bool{}}
	consumed := map[string]bool{}
	for _, c := range p.snapshot.Manifest.Consumed {
		consumed[c.Key] = true
	}
	for _, obj := range p.raw {
		isConsumed := consumed[obj.Key]
		delete(consumed, obj.Key)
		switch {
		case !q.Seen(alerting.Arrival{Key: obj.Key, Target: p.target}):
			o.add(obj.Key)
			o.fresh = append(o.fresh, obj)
		case isConsumed:
			o.old = append(o.old, obj)
		default:
			o.pending = append(o.pending, obj)
		}
	}
	var unlisted []string
	for key := range consumed {
		if !q.Seen(alerting.Arrival{Key: key, Target: p.target}) {
			unlisted = append(unlisted, key)
		}
	}
	slices.Sort(unlisted)
	found, err := v.lookUp(ctx, unlisted)
	if err != nil {
		return o, err
	}
	for i, key := range unlisted {
		o.add(key)
		if found[i].Key != "" {
			o.fresh = append(o.fresh, found[i])
		} else if q.Missed != nil {
			q.Missed(alerting.Arrival{Key: key, Target: p.target})
		}
	}
	return o, nil
}

func (o *objects) add(key string) { o.isFresh[key], o.freshNames[path.Base(key)] = true, true }

// lookUp returns the objects of the keys, and an empty one where there is none.
func (v *view) lookUp(ctx context.Context, keys []string) ([]objstore.Object, error) {
	found := make([]objstore.Object, len(keys))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(requests)
	for i, key := range keys {
		g.Go(func() error {
			attrs, err := v.bucket.Stat(ctx, key)
			if errors.Is(err, objstore.ErrNotExist) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("stat %s: %w", key, err)
			}
			found[i] = objstore.Object{Key: key, Size: attrs.Size, LastModified: attrs.LastModified}
			return nil
		})
	}
	return found, g.Wait()
}

// counted returns those of the bodies that are remembered whose lines were counted: one of their objects is not fresh. It was accounted
// for, or it is gone, which the compactor allows only after that.
func (o *objects) counted(bodies []catalog.Body) []catalog.Body {
	var out []catalog.Body
	for _, b := range bodies {
		if slices.ContainsFunc(b.Names, func(name string) bool { return !o.freshNames[name] }) {
			out = append(out, b)
		}
	}
	return out
}

// lateIn yields the late lines of one object.
func (v *view) lateIn(ctx context.Context, p *pinned, set *rawobj.Set, i int, q alerting.LateSelect, yield func(alerting.KindRow, error) bool) (more bool, err error) {
	rows, err := set.Open(ctx, i)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	arrived, watermark := set.Arrived(i).UnixNano(), p.snapshot.Manifest.Watermark
	for {
		row := alerting.KindRow{Kind: p.target.Kind}
		if err := rows.Next(&row.Row); err != nil {
			if record.AtEnd(err) {
				return true, nil
			}
			return false, err
		}
		if err := ctx.Err(); err != nil {
			return false, err
		}
		if row.Time > q.Through || watermark != 0 && row.Time < watermark || arrived-row.Time > int64(q.MaxAge) {
			continue
		}
		if !yield(row, nil) {
			return false, nil
		}
	}
}
