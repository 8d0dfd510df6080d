package s3store_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"

	"lethe/objstore"
	"lethe/objstore/s3store"
)

// fake is a transport that answers as a function says, and remembers what was asked.
type fake struct {
	answer func(n int, r *http.Request) (*http.Response, error)

	mu       sync.Mutex
	requests []*http.Request
}

func (f *fake) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	f.requests = append(f.requests, r)
	n := len(f.requests)
	f.mu.Unlock()
	resp, err := f.answer(n, r)
	if resp != nil {
		resp.Request = r
	}
	return resp, err
}

func (f *fake) count() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.requests)
}

// respond makes an answer; header is "Name: value" lines.
func respond(status int, body string, header ...string) *http.Response {
	h := http.Header{
		"Date": {"Sun, 01 Mar 2026 10:00:00 GMT"}, "Last-Modified": {"Sun, 01 Mar 2026 09:00:00 GMT"},
		"Content-Length": {fmt.Sprint(len(body))}, "Etag": {`"` + sum(body) + `"`},
	}
	for _, line := range header {
		name, value, _ := strings.Cut(line, ": ")
		h.Set(name, value)
	}
	return &http.Response{
		StatusCode: status, Status: fmt.Sprint(status), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: h, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)),
	}
}

func sum(s string) string {
	h := md5.Sum([]byte(s))
	return hex.EncodeToString(h[:])
}

// refuse makes the answer of an S3 error.
func refuse(status int, code string) *http.Response {
	return respond(status, "<?xml version=\"1.0\"?><Error><Code>"+code+"</Code><Message>said the store</Message></Error>")
}

func drain(t *testing.T, r *http.Request) string {
	t.Helper()
	if r.Body == nil {
		return ""
	}
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Errorf("the body of the request: %v", err)
	}
	return string(b)
}

func keys(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: "AKID", SecretAccessKey: "SECRET"}, nil
}

// over returns a bucket over the transport, on https, so that bodies are sent as they are.
func over(t *testing.T, f *fake, change ...func(*s3store.Options)) *s3store.Bucket {
	t.Helper()
	opts := s3store.Options{Bucket: "bucket", Endpoint: "store.example.com", Transport: f, Credentials: aws.CredentialsProviderFunc(keys)}
	for _, c := range change {
		c(&opts)
	}
	b, err := s3store.New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(t *testing.T, b objstore.Bucket, key string, r objstore.Range) (string, error) {
	t.Helper()
	rc, _, err := b.Get(t.Context(), key, r)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(rc)
	return string(data), errors.Join(err, rc.Close())
}

func TestRetries(t *testing.T) {
	reset := errors.New("connection reset by peer")
	for name, tc := range map[string]struct {
		body  io.Reader
		tries int // that fail
		want  int // requests in all
		ok    bool
	}{
		"a seeker":                    {strings.NewReader("value"), 2, 3, true},
		"a seeker, too often":         {strings.NewReader("value"), 9, 3, false},
		"what cannot be read again":   {io.LimitReader(strings.NewReader("value"), 5), 2, 1, false},
		"what need not be read twice": {io.LimitReader(strings.NewReader("value"), 5), 0, 1, true},
	} {
		for _, failure := range []func() (*http.Response, error){
			func() (*http.Response, error) { return refuse(503, "SlowDown"), nil },
			func() (*http.Response, error) { return refuse(500, "InternalError"), nil },
			func() (*http.Response, error) { return nil, reset },
		} {
			if s, ok := tc.body.(*strings.Reader); ok {
				s.Reset("value")
			} else {
				tc.body = io.LimitReader(strings.NewReader("value"), 5)
			}
			f := &fake{answer: func(n int, r *http.Request) (*http.Response, error) {
				if got := drain(t, r); got != "value" {
					t.Errorf("%s: attempt %d sends %q", name, n, got)
				}
				if n <= tc.tries {
					return failure()
				}
				return respond(200, ""), nil
			}}
			b := over(t, f, func(o *s3store.Options) { o.Attempts = 3 })
			_, err := b.Put(t.Context(), "k", tc.body, 5, objstore.Condition{})
			if (err == nil) != tc.ok || f.count() != tc.want {
				t.Errorf("%s: %d requests and the error %v", name, f.count(), err)
			}
			if errors.Is(err, objstore.ErrPrecondition) || errors.Is(err, objstore.ErrBody) || errors.Is(err, objstore.ErrConfig) {
				t.Errorf("%s: a failure of the store is called %v", name, err)
			}
		}
	}
}

func TestAnswersToPuts(t *testing.T) {
	for _, tc := range []struct {
		status int
		code   string
		c      objstore.Condition
		want   error
	}{
		{412, "PreconditionFailed", objstore.Condition{IfAbsent: true}, objstore.ErrPrecondition},
		{409, "ConditionalRequestConflict", objstore.Condition{IfAbsent: true}, objstore.ErrPrecondition},
		{409, "OperationAborted", objstore.Condition{IfMatch: "e"}, objstore.ErrPrecondition},
		{404, "NoSuchKey", objstore.Condition{IfMatch: "e"}, objstore.ErrPrecondition},
		{404, "NoSuchBucket", objstore.Condition{IfMatch: "e"}, objstore.ErrConfig},
		{403, "AccessDenied", objstore.Condition{}, objstore.ErrConfig},
		{403, "InvalidAccessKeyId", objstore.Condition{IfAbsent: true}, objstore.ErrConfig},
		{403, "SignatureDoesNotMatch", objstore.Condition{}, objstore.ErrConfig},
	} {
		f := &fake{answer: func(_ int, r *http.Request) (*http.Response, error) {
			drain(t, r)
			if got := r.Header.Get("If-None-Match"); (got == "*") != tc.c.IfAbsent {
				t.Errorf("%s: If-None-Match is %q", tc.code, got)
			}
			if got := r.Header.Get("If-Match"); tc.c.IfMatch != "" && got != `"`+tc.c.IfMatch+`"` {
				t.Errorf("%s: If-Match is %q", tc.code, got)
			}
			return refuse(tc.status, tc.code), nil
		}}
		_, err := over(t, f).Put(t.Context(), "k", strings.NewReader("v"), 1, tc.c)
		if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.code) || strings.Contains(err.Error(), "SECRET") {
			t.Errorf("%d %s gives %v, want %v", tc.status, tc.code, err, tc.want)
		}
	}
}

func TestAPutThatMetADeleteIsTriedAgain(t *testing.T) {
	for code, status := range map[string]int{"AccessDenied": 403, "ExistingObjectIsDirectory": 409} {
		f := &fake{answer: func(n int, r *http.Request) (*http.Response, error) {
			drain(t, r)
			if n < 3 {
				return refuse(status, code), nil
			}
			return respond(200, ""), nil
		}}
		c := objstore.Condition{IfAbsent: true}
		if _, err := over(t, f).Put(t.Context(), "k", strings.NewReader("v"), 1, c); err != nil || f.count() != 3 {
			t.Errorf("%s: %d requests, %v", code, f.count(), err)
		}
	}
}

// A key that is a folder of the store's was not lost to another writer, and who takes it for lost would wait for an object that never comes.
func TestAFolderIsNoLostCondition(t *testing.T) {
	f := &fake{answer: func(int, *http.Request) (*http.Response, error) { return refuse(409, "ExistingObjectIsDirectory"), nil }}
	_, err := over(t, f).Put(t.Context(), "k", strings.NewReader("v"), 1, objstore.Condition{IfAbsent: true})
	if err == nil || errors.Is(err, objstore.ErrPrecondition) {
		t.Errorf("got %v", err)
	}
}

func TestTooLargeForOnePut(t *testing.T) {
	f := &fake{answer: func(int, *http.Request) (*http.Response, error) { return respond(200, ""), nil }}
	_, err := over(t, f).Put(t.Context(), "k", strings.NewReader(""), 5<<30+1, objstore.Condition{})
	if !errors.Is(err, errors.ErrUnsupported) || f.count() != 0 {
		t.Errorf("%d requests, %v", f.count(), err)
	}
}

func TestBodiesOfGets(t *testing.T) {
	for name, tc := range map[string]struct {
		answer *http.Response
		r      objstore.Range
		want   string
		err    error
	}{
		"no length":              {respond(200, "abc", "Content-Length: "), objstore.Range{}, "", errors.ErrUnsupported},
		"a store without ranges": {respond(200, "abc"), objstore.Range{Offset: 1}, "", errors.ErrUnsupported},
		"end of an empty object": {respond(206, ""), objstore.Range{Offset: -5}, "", nil},
		"part":                   {respond(206, "bc", "Content-Range: bytes 1-2/3"), objstore.Range{Offset: 1}, "bc", nil},
		"wrong checksum": {
			respond(200, "abc", "X-Amz-Checksum-Type: FULL_OBJECT", "X-Amz-Checksum-Crc32c: AAAAAA=="), objstore.Range{}, "", errChecksum,
		},
		"right checksum": {
			respond(200, "abc", "X-Amz-Checksum-Type: FULL_OBJECT", "X-Amz-Checksum-Crc32c: Nks/tw=="), objstore.Range{}, "abc", nil,
		},
	} {
		f := &fake{answer: func(int, *http.Request) (*http.Response, error) { return tc.answer, nil }}
		got, err := read(t, over(t, f), "k", tc.r)
		known := errors.Is(err, tc.err) || (errors.Is(tc.err, errChecksum) && err != nil)
		if got != tc.want || !known {
			t.Errorf("%s: read %q and %v, want %q and %v", name, got, err, tc.want, tc.err)
		}
	}
}

// errChecksum stands for what the client says of a wrong checksum.
var errChecksum = errors.New("some error")

func TestDeleteSaysWhichObjectsAreLeft(t *testing.T) {
	f := &fake{answer: func(_ int, r *http.Request) (*http.Response, error) {
		if body := drain(t, r); strings.Count(body, "<Key>") != 3 {
			t.Errorf("asked to delete %s", body)
		}
		return respond(200, `<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>b</Key><Code>AccessDenied</Code><Message>no</Message></Error><Deleted><Key>c</Key></Deleted></DeleteResult>`), nil
	}}
	err := over(t, f).Delete(t.Context(), "a", "b", "c")
	if !errors.Is(err, objstore.ErrConfig) || !strings.Contains(err.Error(), `"b"`) || strings.Contains(err.Error(), `"a"`) {
		t.Errorf("got the error %v", err)
	}
}

func TestDeleteThatIsNotAnswered(t *testing.T) {
	f := &fake{answer: func(_ int, r *http.Request) (*http.Response, error) {
		drain(t, r)
		return respond(200, `<DeleteResult><Deleted><Key>a</Key></Deleted></DeleteResult>`), nil
	}}
	if err := over(t, f).Delete(t.Context(), "a", "b"); err == nil {
		t.Error("nothing is said of b, and that is no error")
	}
}

func TestAListingThatIsNotInOrder(t *testing.T) {
	f := &fake{answer: func(int, *http.Request) (*http.Response, error) {
		var b bytes.Buffer
		b.WriteString(`<ListBucketResult>`)
		for _, key := range []string{"a", "c", "b"} {
			fmt.Fprintf(&b, `<Contents><Key>%s</Key><Size>1</Size><LastModified>2026-03-01T09:00:00.123Z</LastModified></Contents>`, key)
		}
		b.WriteString(`</ListBucketResult>`)
		return respond(200, b.String()), nil
	}}
	var got []string
	var last error
	for o, err := range over(t, f).List(t.Context(), objstore.ListOptions{}) {
		if last = err; err == nil {
			got = append(got, o.Key)
		}
	}
	if strings.Join(got, "") != "ac" || !errors.Is(last, objstore.ErrConfig) {
		t.Errorf("listed %q, then %v", got, last)
	}
}

func TestFolderMarkersAreNoObjects(t *testing.T) {
	f := &fake{answer: func(int, *http.Request) (*http.Response, error) {
		return respond(200, `<ListBucketResult><Contents><Key>raw/</Key><Size>0</Size><LastModified>2026-03-01T09:00:00Z</LastModified></Contents>`+
			`<Contents><Key>raw/x</Key><Size>0</Size><LastModified>2026-03-01T09:00:00Z</LastModified></Contents></ListBucketResult>`), nil
	}}
	n := 0
	for o, err := range over(t, f).List(t.Context(), objstore.ListOptions{Prefix: "raw/"}) {
		if err != nil || o.Key != "raw/x" {
			t.Errorf("listed %+v, %v", o, err)
		}
		n++
	}
	if n != 1 {
		t.Errorf("listed %d", n)
	}
}

// cut is a body that breaks off.
type cut struct {
	io.Reader
	err error
}

func (c cut) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if errors.Is(err, io.EOF) {
		err = c.err
	}
	return n, err
}

const letters = "abcdefghijklmnopqrstuvwxyz"

// breaking is a store whose bodies break off after three bytes, the first n times.
func breaking(t *testing.T, times int, broken error) *fake {
	t.Helper()
	return &fake{answer: func(n int, r *http.Request) (*http.Response, error) {
		from, to := 0, len(letters)-1
		if h := r.Header.Get("Range"); h != "" {
			if _, err := fmt.Sscanf(h, "bytes=%d-%d", &from, &to); err != nil {
				t.Errorf("Range: %s", h)
			}
		}
		if n > 1 && r.Header.Get("If-Match") != `"`+sum(letters)+`"` {
			t.Errorf("request %d asks for the version %s", n, r.Header.Get("If-Match"))
		}
		part := letters[from : to+1]
		resp := respond(206, part, fmt.Sprintf("Content-Range: bytes %d-%d/%d", from, to, len(letters)), `Etag: "`+sum(letters)+`"`)
		if n <= times {
			resp.Body = io.NopCloser(cut{strings.NewReader(part[:3]), broken})
		}
		return resp, nil
	}}
}

func TestBodiesThatBreakOffGoOn(t *testing.T) {
	for _, broken := range []error{io.ErrUnexpectedEOF, io.EOF, errors.New("connection reset by peer")} {
		for _, tc := range []struct {
			r    objstore.Range
			want string
		}{{objstore.Range{}, letters}, {objstore.Range{Offset: 5, Length: 15}, letters[5:20]}} {
			f := breaking(t, 2, broken)
			got, err := read(t, over(t, f, func(o *s3store.Options) { o.Attempts = 3 }), "k", tc.r)
			if got != tc.want || err != nil || f.count() != 3 {
				t.Errorf("%v, %+v: read %q and %v in %d requests", broken, tc.r, got, err, f.count())
			}
		}
	}
}

func TestBodiesThatBreakOffTooOften(t *testing.T) {
	f := breaking(t, 99, io.EOF)
	got, err := read(t, over(t, f, func(o *s3store.Options) { o.Attempts = 3 }), "k", objstore.Range{})
	if got != letters[:9] || !errors.Is(err, io.ErrUnexpectedEOF) || f.count() != 3 {
		t.Errorf("read %q and %v in %d requests", got, err, f.count())
	}
}

func TestBodyOfAnObjectThatIsReplaced(t *testing.T) {
	inner := breaking(t, 1, io.ErrUnexpectedEOF)
	f := &fake{answer: func(n int, r *http.Request) (*http.Response, error) {
		if n > 1 {
			return refuse(412, "PreconditionFailed"), nil
		}
		return inner.RoundTrip(r)
	}}
	got, err := read(t, over(t, f), "k", objstore.Range{})
	if got != letters[:3] || !errors.Is(err, io.ErrUnexpectedEOF) || f.count() != 2 {
		t.Errorf("read %q and %v in %d requests", got, err, f.count())
	}
}

func TestBodyThatBreaksOffWhenCancelled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	rc, _, err := over(t, breaking(t, 99, io.ErrUnexpectedEOF)).Get(ctx, "k", objstore.Range{})
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	_, err = io.ReadAll(rc)
	if err = errors.Join(err, rc.Close()); !errors.Is(err, context.Canceled) {
		t.Errorf("got the error %v", err)
	}
}
