package helm_test

import (
	"encoding/pem"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"lethe/internal/fanout"
)

// TestQueryPodsReadPiecesForEachOther has the binary's own client read what the pods get, and looks whether all files in it are mounted.
func TestQueryPodsReadPiecesForEachOther(t *testing.T) {
	server := httptest.NewTLSServer(nil)
	t.Cleanup(server.Close)
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	for _, c := range []struct {
		sets []string
		url  string
		// files are what the pods mount for their client, besides its own file.
		files []string
	}{
		{nil, "", nil},
		{[]string{"query.fanout.pieces=3"}, "http://lethe-query.logs.svc:6060", nil},
		{[]string{"query.fanout.pieces=3", "query.webConfigSecret=web", "query.tls=false", "query.authSecret=auth"}, "http://lethe-query.logs.svc:6060",
			[]string{"/etc/lethe/query-auth/username", "/etc/lethe/query-auth/password"}},
		{[]string{"query.fanout.pieces=3", "query.webConfigSecret=web", "query.authSecret=auth", "query.caSecret=ca", "query.service.port=443"}, "https://lethe-query.logs.svc:443",
			[]string{"/etc/lethe/query-auth/username", "/etc/lethe/query-auth/password", "/etc/lethe/query-ca/ca.crt"}},
	} {
		all := objects(t, append(c.sets, "fullnameOverride=lethe")...)
		q := find[*appsv1.Deployment](t, all, "-query").Spec.Template.Spec.Containers[0]
		client := ""
		if len(c.files) > 0 {
			client = find[*corev1.ConfigMap](t, all, "-query-fanout").Data["client.yml"]
		}
		if got := argument(q.Args, "query.fanout_url"); got != c.url {
			t.Errorf("%v: the URL is %q, want %q", c.sets, got, c.url)
		}
		if got := argument(q.Args, "query.fanout_config.file"); (got != "") != (client != "") {
			t.Errorf("%v: the pod reads %q, which holds\n%s", c.sets, got, client)
		}
		for _, file := range c.files {
			dir := filepath.Dir(file)
			if !strings.Contains(client, file) || !slices.ContainsFunc(q.VolumeMounts, func(m corev1.VolumeMount) bool { return m.MountPath == dir }) {
				t.Errorf("%v: %s is not named or not mounted:\n%s", c.sets, file, client)
			}
		}
		if client == "" {
			continue
		}
		// Files that are read at once must be there.
		dir := t.TempDir()
		for _, file := range c.files {
			local := filepath.Join(dir, filepath.Base(file))
			if err := os.WriteFile(local, certificate, 0o600); err != nil {
				t.Fatal(err)
			}
			client = strings.ReplaceAll(client, file, local)
		}
		name := filepath.Join(dir, "client.yml")
		if err := os.WriteFile(name, []byte(client), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := fanout.NewHTTP(c.url, name); err != nil {
			t.Errorf("%v: %v", c.sets, err)
		}
	}
}

// argument returns the value of a flag.
func argument(args []string, name string) string {
	for _, a := range args {
		if v, ok := strings.CutPrefix(a, "--"+name+"="); ok {
			return v
		}
	}
	return ""
}
