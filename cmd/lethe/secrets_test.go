package main

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The secrets that are planted. None of them may come out again, in no log, error, answer or list of processes.
const (
	plantedKey      = "PLANTEDACCESSKEYIDAA"
	plantedSecret   = "planted/aws/secret"
	plantedToken    = "planted-session-token"
	plantedInURL    = "planted-in-the-url"
	plantedInFile   = "planted-in-a-file"
	plantedPassword = "planted-password-of-alertmanager"
	plantedBearer   = "planted-bearer-of-alertmanager"
	plantedLogin    = "planted-login-of-a-client"
	plantedParam    = "planted-in-a-parameter"
	// plantedShort is one that an error of the YAML library would show whole.
	plantedShort = "Pl4nt3d"
)

var planted = []string{
	plantedKey, plantedSecret, plantedToken, plantedInURL, plantedInFile, plantedPassword, plantedBearer, plantedLogin, plantedParam, plantedShort,
	"cGxhbnRlZC", "OnBsYW50ZWQt", "cGxhbnRlZ", // "planted" in base64, behind "ann:" too
}

// leaks fails where a text holds what was planted.
func leaks(t *testing.T, where, text string) {
	t.Helper()
	for _, s := range planted {
		if i := strings.Index(text, s); i >= 0 {
			t.Errorf("%s shows %s: …%s…", where, s, text[max(0, i-200):min(len(text), i+100)])
		}
	}
}

// refusingStore answers every request as S3 does where a signature is wrong: with all that was sent to it.
func refusingStore(t *testing.T) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/xml")
		w.WriteHeader(http.StatusForbidden)
		if _, err := fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>SignatureDoesNotMatch</Code><Message>The request signature we calculated does not match.</Message>`+
			`<AWSAccessKeyId>%s</AWSAccessKeyId><StringToSign>%s</StringToSign><Token>%s</Token><Authorization>%s</Authorization></Error>`,
			plantedKey, plantedSecret, plantedToken, r.Header.Get("Authorization")); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// refusingAlertmanager answers with the credentials that it was sent.
func refusingAlertmanager(t *testing.T, status int) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		_, password, _ := r.BasicAuth()
		if _, err := fmt.Fprintf(w, "%v is not %q", r.Header, password); err != nil {
			t.Error(err)
		}
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

const secretAlertmanagers = `
alertmanagers:
- basic_auth: {username: ann, password: planted-password-of-alertmanager}
  static_configs: [{targets: ['%[1]s']}]
- authorization: {credentials: planted-bearer-of-alertmanager}
  static_configs: [{targets: ['%[1]s']}]
`

// secretWorld is a folder with everything that has a secret in it.
func secretWorld(t *testing.T) (dir string, env []string) {
	t.Helper()
	dir = t.TempDir()
	writeFile(t, filepath.Join(dir, "rules.yaml"), "groups:\n- name: g\n  rules:\n  - {alert: Always, expr: 'vector(1)'}\n  - {alert: Lines, expr: 'pod{namespace=\"shop\"} |= \"x\"'}\n")
	writeFile(t, filepath.Join(dir, "am.yaml"), fmt.Sprintf(secretAlertmanagers, refusingAlertmanager(t, http.StatusBadRequest)))
	return dir, []string{
		"AWS_ACCESS_KEY_ID=" + plantedKey, "AWS_SECRET_ACCESS_KEY=" + plantedSecret, "AWS_SESSION_TOKEN=" + plantedToken,
		"LETHE_LOG_LEVEL=debug", "HOME=" + dir,
	}
}

func TestNoSecretComesOutOfTheServer(t *testing.T) {
	dir, env := secretWorld(t)
	env = append(env, "LETHE_ALERTING_ALERTMANAGERS=http://ann:"+plantedPassword+"@"+refusingAlertmanager(t, http.StatusInternalServerError))
	stores := map[string]string{"store that refuses": "s3://logs?insecure=true&region=x&endpoint=" + refusingStore(t), "folder": "file://" + filepath.Join(dir, "bucket")}
	for name, bucket := range stores {
		s := startServer(t, append(env, "LETHE_BUCKET="+bucket), "--compact-every", "200ms", "--alert-every", "200ms",
			"--rules", filepath.Join(dir, "rules.yaml"), "--alertmanager-config", filepath.Join(dir, "am.yaml"), "--web.config.file", webUsers(t, dir))
		for _, path := range []string{
			"/metrics", "/-/ready", "/api/v1/rules", "/api/v1/alerts", "/api/v1/targets", "/api/v1/status/buildinfo", "/api/v1/labels", "/nowhere",
			"/api/v1/query?query=pod%7B%7D", "/api/v1/query?query=pod%7B", "/api/v1/series?match[]=pod",
		} {
			sep := "?"
			if strings.Contains(path, "?") {
				sep = "&"
			}
			for _, login := range []string{"ann:right", "ann:" + plantedLogin} {
				status, body := fetchAs(t, http.DefaultClient, "http://"+s.addr+path+sep+"token="+plantedParam, login)
				if status == 0 {
					t.Errorf("%s: %s: %s", name, path, body)
				}
				leaks(t, name+": "+path, body)
			}
		}
		awaitText(t, s.out, "notif", "Alertmanager", "a run failed")
		cmdline, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", s.cmd.Process.Pid))
		if err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
		leaks(t, name+": the list of processes", string(cmdline))
		leaks(t, name+": the log", s.out.String())
	}
}

// webUsers is a web configuration with the user ann, whose password is right.
func webUsers(t *testing.T, dir string) string {
	t.Helper()
	name := filepath.Join(dir, "users.yml")
	writeFile(t, name, webConfig[strings.Index(webConfig, "basic_auth_users"):])
	return name
}

// awaitText waits until one of the texts was logged.
func awaitText(t *testing.T, o *output, any ...string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		for _, s := range any {
			if strings.Contains(o.String(), s) {
				tick.Stop()
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("none of %q was logged:\n%s", any, o)
		}
	}
}

// What fails at once must not show what it was given.
func TestNoSecretComesOutOfCommands(t *testing.T) {
	dir, env := secretWorld(t)
	file := func(name, body string) string {
		writeFile(t, filepath.Join(dir, name), body)
		return filepath.Join(dir, name)
	}
	rules, store := filepath.Join(dir, "rules.yaml"), "LETHE_BUCKET=s3://logs?insecure=true&region=x&endpoint="+refusingStore(t)
	folder := "LETHE_BUCKET=file://" + filepath.Join(dir, "bucket")
	alert := []string{"alert", "--once", "--rules", rules}
	for name, test := range map[string]struct {
		env  []string
		args []string
		fine bool
	}{
		"query":                       {[]string{store}, []string{"query", "pod{}"}, false},
		"compact":                     {[]string{store}, []string{"compact"}, false},
		"inspect":                     {[]string{store}, []string{"inspect"}, false},
		"labels":                      {[]string{store}, []string{"labels"}, false},
		"verify":                      {[]string{store}, []string{"verify"}, false},
		"explain":                     {[]string{store}, []string{"explain", "pod{}"}, false},
		"alert":                       {[]string{store}, alert, false},
		"alert, files":                {[]string{folder}, append(alert, "--alertmanager-config", filepath.Join(dir, "am.yaml")), false},
		"alert, URL":                  {[]string{folder, "LETHE_ALERTING_ALERTMANAGERS=http://ann:" + plantedPassword + "@127.0.0.1:1"}, alert, false},
		"alert, no URL":               {[]string{folder, "LETHE_ALERTING_ALERTMANAGERS=http://ann:" + plantedPassword + "@127.0.0.1:port"}, alert, false},
		"alert, no scheme":            {[]string{folder, "LETHE_ALERTING_ALERTMANAGERS=ann:" + plantedPassword + "@127.0.0.1:9093"}, alert, false},
		"alert, flag":                 {[]string{folder}, append(alert, "--alertmanager", "http://ann:"+plantedPassword+"@127.0.0.1:1"), false},
		"alert, query":                {[]string{folder, "LETHE_ALERTING_ALERTMANAGERS=http://127.0.0.1:1/?key=" + plantedPassword}, alert, false},
		"alert, list":                 {[]string{folder}, append(alert, "--alertmanager-config", file("list.yaml", "alertmanagers:\n- basic_auth: ["+plantedPassword+"]\n")), false},
		"alert, text":                 {[]string{folder}, append(alert, "--alertmanager-config", file("text.yaml", "alertmanagers:\n- basic_auth: "+plantedShort+"\n")), false},
		"alert, no YAML":              {[]string{folder}, append(alert, "--alertmanager-config", file("broken.yaml", "alertmanagers:\n- basic_auth: {password: \""+plantedPassword+"\n")), false},
		"alert, target":               {[]string{folder}, append(alert, "--alertmanager-config", file("target.yaml", "alertmanagers:\n- static_configs: [{targets: ['ann:"+plantedPassword+"@am:9093']}]\n")), false},
		"bucket with a password":      {[]string{"LETHE_BUCKET=s3://ann:" + plantedInURL + "@logs"}, []string{"query", "pod{}"}, false},
		"bucket that is no URL":       {[]string{"LETHE_BUCKET=s3://ann:" + plantedInURL + "@logs:port"}, []string{"query", "pod{}"}, false},
		"bucket, a slash":             {[]string{"LETHE_BUCKET=s3://ann:" + plantedShort + "/x@logs"}, []string{"query", "pod{}"}, false},
		"bucket, digits and a slash":  {[]string{"LETHE_BUCKET=s3://ann:12/" + plantedShort + "@logs"}, []string{"query", "pod{}"}, false},
		"endpoint, a slash":           {[]string{"LETHE_BUCKET=s3://logs", "AWS_ENDPOINT_URL=http://ann:12/" + plantedShort + "@h"}, []string{"query", "pod{}"}, false},
		"endpoint, a percent":         {[]string{"LETHE_BUCKET=s3://logs", "AWS_ENDPOINT_URL=http://ann:" + plantedShort + "%@h"}, []string{"query", "pod{}"}, false},
		"alert, a slash":              {[]string{folder, "LETHE_ALERTING_ALERTMANAGERS=http://ann:" + plantedShort + "/x@am"}, alert, false},
		"alert, digits and a slash":   {[]string{folder, "LETHE_ALERTING_ALERTMANAGERS=http://ann:12/" + plantedShort + "@am"}, alert, false},
		"alert, proxy":                {[]string{folder}, append(alert, "--alertmanager-config", file("proxy.yaml", "alertmanagers:\n- proxy_url: http://ann:"+plantedShort+"/x@am\n")), false},
		"alert, alias":                {[]string{folder}, append(alert, "--alertmanager-config", file("alias.yaml", "alertmanagers:\n- basic_auth: {password: *"+plantedShort+"}\n")), false},
		"web configuration, alias":    {[]string{folder}, []string{"serve", "--listen", "127.0.0.1:0", "--web.config.file", file("web5.yml", "basic_auth_users: {ann: *"+plantedShort+"}\n")}, false},
		"configuration, alias":        {nil, []string{"--config", file("alias2.yaml", "storage: {bucket: *"+plantedShort+"}\n"), "query", "pod{}"}, false},
		"bucket without a scheme":     {[]string{"LETHE_BUCKET=ann:" + plantedInURL + "@logs"}, []string{"query", "pod{}"}, false},
		"configuration, key":          {nil, []string{"--config", file("key.yaml", "storage: {secret_key: "+plantedInFile+"}\n"), "query", "pod{}"}, false},
		"configuration, kind":         {nil, []string{"--config", file("kind.yaml", "storage: "+plantedInFile+"\n"), "query", "pod{}"}, false},
		"configuration, password":     {nil, []string{"--config", file("bucket.yaml", "storage: {bucket: 's3://ann:"+plantedInFile+"@logs'}\n"), "query", "pod{}"}, false},
		"configuration, no YAML":      {nil, []string{"--config", file("no.yaml", "storage: {bucket: \""+plantedInFile+"\n"), "query", "pod{}"}, false},
		"web configuration, hashes":   {[]string{folder}, []string{"serve", "--listen", "127.0.0.1:0", "--web.config.file", file("web1.yml", "basic_auth_users: {ann: "+plantedInFile+"}\n")}, false},
		"web configuration, key":      {[]string{folder}, []string{"serve", "--listen", "127.0.0.1:0", "--web.config.file", file("web2.yml", "tls_server_config: {cert: "+plantedInFile+", key: "+plantedInFile+"}\n")}, false},
		"web configuration, kind":     {[]string{folder}, []string{"serve", "--listen", "127.0.0.1:0", "--web.config.file", file("web3.yml", "basic_auth_users: "+plantedShort+"\n")}, false},
		"help":                        {[]string{store, "LETHE_WEB_CONFIG_BASE64=" + plantedInFile}, []string{"serve", "--help"}, true},
		"function, web configuration": {[]string{folder, "LETHE_FUNCTION=query", "AWS_LAMBDA_RUNTIME_API=127.0.0.1:1", "LETHE_WEB_CONFIG_FILE=" + file("web4.yml", "basic_auth_users: {ann: "+plantedInFile+"}\n")}, nil, false},
	} {
		cmd := exec.CommandContext(t.Context(), binary(t), test.args...)
		cmd.Env = append(env, test.env...)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		if (err == nil) != test.fine {
			t.Errorf("%s: %v\n%s", name, err, out.String())
		}
		if out.Len() == 0 {
			t.Errorf("%s says nothing", name)
		}
		leaks(t, name, out.String())
	}
}
