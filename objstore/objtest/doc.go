// Package objtest has what the tests of every room need of a bucket: the contract suite that all adapters and decorators
// pass (Run), a real MinIO (MinIO), and decorators that fail, lose replies, wait and watch.
package objtest
