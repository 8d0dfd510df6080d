package letheql_test

import (
	"reflect"
	"testing"

	"lethe/letheql"
)

// Each field of what a query has cost is added, also those to come.
func TestStatsAddUp(t *testing.T) {
	one := letheql.Stats{Skipped: []string{"a"}}
	v := reflect.ValueOf(&one).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Int64 {
			f.SetInt(int64(i + 1))
		}
	}
	sum := letheql.Stats{Skipped: []string{"b"}}
	sum.Add(&one)
	sum.Add(&one)
	for i, s := 0, reflect.ValueOf(sum); i < s.NumField(); i++ {
		if f := s.Field(i); f.Kind() == reflect.Int64 && f.Int() != 2*int64(i+1) || f.Kind() == reflect.Slice && f.Len() != 3 {
			t.Errorf("%s is %v", s.Type().Field(i).Name, f)
		}
	}
}
