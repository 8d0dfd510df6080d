package letheql_test

import (
	"context"
	"fmt"
	"time"

	"lethe/internal/record"
	"lethe/letheql"
	"lethe/letheql/lqltest"
)

// Lines and numbers come from the same engine.
func ExampleEngine_Query() {
	noon := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	src := &lqltest.Source{}
	for i, text := range []string{"GET /cart 200", "GET /cart 500", "POST /pay 500"} {
		src.Pod = append(src.Pod, record.Row{
			Time: noon.Add(time.Duration(i-3) * time.Second).UnixNano(), Namespace: "shop", Pod: "web-1", Container: "nginx", Log: []byte(text),
		})
	}
	engine, err := letheql.NewEngine(src, letheql.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, query := range []string{
		`pod{namespace="shop"} |= "500" | pattern "<method> <path> <_>" | method="GET"`,
		`sum by (pod) (count_over_time(pod{} |= "500" [1m]))`,
		`pod{namspace="shop"}`,
	} {
		res, err := engine.Query(context.Background(), letheql.Request{Query: query, Time: noon})
		switch {
		case err != nil:
			fmt.Println(err)
		case res.Type == letheql.Logs:
			for row, err := range res.Rows {
				fmt.Println(row.Pod, string(row.Log), row.Extracted, err)
			}
		default:
			fmt.Println(res.Type, res.Value)
		}
	}
	// Output:
	// web-1 GET /cart 500 [{method GET} {path /cart}] <nil>
	// vector {pod="web-1"} => 2 @[1772366400000]
	// 1:5: parse error: unknown label "namspace": pod{…} has the labels namespace, pod, container, stream, node
}
