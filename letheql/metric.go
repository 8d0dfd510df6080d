package letheql

import "context"

func (e *Engine) queryMetric(ctx context.Context, expr Expr, r Request) (*Result, error) {
	return nil, userError("x")
}
func (e *Engine) selects(expr Expr, r Request) ([]Select, error) { return nil, nil }
