// Package alertmanager tells Alertmanagers of alerts, by their API v2.
package alertmanager

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"
	"go.yaml.in/yaml/v3"

	letheconfig "lethe/internal/config"
)

// ErrConfig marks a configuration that cannot be used.
var ErrConfig = errors.New("invalid Alertmanager configuration")

// DefaultTimeout of one request.
const DefaultTimeout = 10 * time.Second

// maxConfigBytes is the largest configuration file.
const maxConfigBytes = 1 << 20

// Config says which Alertmanagers there are and what they are told. As YAML it is the part `alerting` of Prometheus's configuration, with
// static targets, and external_labels:
//
//	external_labels: {cluster: seoul}
//	alert_relabel_configs:
//	- {action: labeldrop, regex: replica}
//	alertmanagers:
//	- scheme: https
//	  path_prefix: /am
//	  basic_auth: {username: lethe, password_file: secret}
//	  tls_config: {ca_file: ca.crt}
//	  static_configs:
//	  - targets: ['alertmanager-0:9093', 'alertmanager-1:9093']
type Config struct {
	// ExternalLabels are added to every alert that does not have them, before relabeling.
	ExternalLabels map[string]string `yaml:"external_labels,omitempty"`
	// AlertRelabelConfigs change the labels of every alert, or drop it.
	AlertRelabelConfigs []*relabel.Config `yaml:"alert_relabel_configs,omitempty"`
	Alertmanagers       []*Endpoints      `yaml:"alertmanagers,omitempty"`
}

// Endpoints are Alertmanagers that are reached in the same way.
type Endpoints struct {
	HTTPClientConfig config.HTTPClientConfig `yaml:",inline"`
	Scheme           string                  `yaml:"scheme,omitempty"`
	PathPrefix       string                  `yaml:"path_prefix,omitempty"`
	Timeout          model.Duration          `yaml:"timeout,omitempty"`
	// APIVersion is accepted for the sake of Prometheus's files; there is only v2.
	APIVersion          string            `yaml:"api_version,omitempty"`
	AlertRelabelConfigs []*relabel.Config `yaml:"alert_relabel_configs,omitempty"`
	StaticConfigs       []Static          `yaml:"static_configs,omitempty"`
}

// Static is a list of host:port.
type Static struct {
	Targets []string `yaml:"targets"`
}

// UnmarshalYAML sets defaults and checks what the YAML library does not check in an inlined part.
func (e *Endpoints) UnmarshalYAML(unmarshal func(any) error) error {
	type plain Endpoints
	*e = Endpoints{HTTPClientConfig: config.DefaultHTTPClientConfig, Scheme: "http", Timeout: model.Duration(DefaultTimeout), APIVersion: "v2"}
	if err := unmarshal((*plain)(e)); err != nil {
		return err
	}
	return e.HTTPClientConfig.Validate()
}

// ParseConfig reads a configuration. Relative paths of files in it are taken from dir. Errors wrap ErrConfig.
func ParseConfig(body []byte, dir string) (*Config, error) {
	if len(body) > maxConfigBytes {
		return nil, fmt.Errorf("%w: it is larger than %d bytes", ErrConfig, maxConfigBytes)
	}
	c := &Config{}
	dec := yaml.NewDecoder(bytes.NewReader(body))
	dec.KnownFields(true)
	if err := dec.Decode(c); err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: %w", ErrConfig, letheconfig.Redact(err))
	}
	if err := dec.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%w: it holds more than one YAML document", ErrConfig)
	}
	for _, e := range c.Alertmanagers {
		if e == nil {
			return nil, fmt.Errorf("%w: an entry of alertmanagers is empty", ErrConfig)
		}
		e.HTTPClientConfig.SetDirectory(filepath.Clean(dir))
	}
	return c, c.validate()
}

// AddURL adds an Alertmanager by its URL. A user and a password in it are for basic auth. Errors show no part of it, for a password that is
// not escaped makes any part of it begin.
func (c *Config) AddURL(raw string) error {
	u, err := url.Parse(raw)
	switch {
	case err != nil:
		return fmt.Errorf("%w: the URL of an Alertmanager cannot be read: %s", ErrConfig, urlForm)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.HasSuffix(raw, "#"):
		return fmt.Errorf("%w: a query or a fragment has no meaning in the URL of an Alertmanager: %s", ErrConfig, urlForm)
	case strings.Contains(u.EscapedPath(), "@"):
		return fmt.Errorf("%w: the URL of an Alertmanager has a @ behind the host: %s", ErrConfig, urlForm)
	}
	e := &Endpoints{
		HTTPClientConfig: config.DefaultHTTPClientConfig, Scheme: u.Scheme, PathPrefix: u.Path, Timeout: model.Duration(DefaultTimeout), APIVersion: "v2",
		StaticConfigs: []Static{{Targets: []string{u.Host}}},
	}
	if u.User != nil {
		password, _ := u.User.Password()
		e.HTTPClientConfig.BasicAuth = &config.BasicAuth{Username: u.User.Username(), Password: config.Secret(password)}
	}
	c.Alertmanagers = append(c.Alertmanagers, e)
	return c.validate()
}

const urlForm = "it is http://USER:PASSWORD@HOST:PORT/PATH or a part of that; in a user or a password, / ? # @ % and a space are written %2F %3F %23 %40 %25 and %20"

func (c *Config) validate() error {
	for n, v := range c.ExternalLabels {
		if !model.UTF8Validation.IsValidLabelName(n) || !model.LabelValue(v).IsValid() {
			return fmt.Errorf("%w: external_labels: %q=%q is not valid", ErrConfig, n, v)
		}
	}
	if err := validRelabeling(c.AlertRelabelConfigs); err != nil {
		return err
	}
	for _, e := range c.Alertmanagers {
		if err := e.validate(); err != nil {
			return err
		}
	}
	return nil
}

func (e *Endpoints) validate() error {
	switch {
	case e.Scheme != "http" && e.Scheme != "https":
		return fmt.Errorf("%w: the scheme of an Alertmanager is neither http nor https", ErrConfig)
	case e.APIVersion != "v2":
		return fmt.Errorf("%w: api_version is %q, there is only v2", ErrConfig, e.APIVersion)
	case e.Timeout <= 0:
		return fmt.Errorf("%w: the timeout is not positive", ErrConfig)
	case !isProxy(e.HTTPClientConfig.ProxyURL.URL), e.HTTPClientConfig.OAuth2 != nil && !isProxy(e.HTTPClientConfig.OAuth2.ProxyURL.URL):
		return fmt.Errorf("%w: a proxy_url has more than a host and a port: %s", ErrConfig, urlForm)
	}
	if _, err := e.urls(); err != nil {
		return err
	}
	return validRelabeling(e.AlertRelabelConfigs)
}

// isProxy is false for a URL whose host may be a user and the beginning of a password, which errors of connecting would show.
func isProxy(u *url.URL) bool {
	return u == nil || strings.Trim(u.EscapedPath(), "/") == "" && u.RawQuery == "" && u.Fragment == ""
}

// urls returns where alerts are posted to.
func (e *Endpoints) urls() ([]string, error) {
	var out []string
	for _, s := range e.StaticConfigs {
		for _, host := range s.Targets {
			u, err := url.Parse(e.Scheme + "://" + host)
			if err != nil || u.Host == "" || u.Host != host {
				// The target is not shown whole: somebody may have put a password before the host.
				return nil, fmt.Errorf("%w: the target …%q is not of the form host:port", ErrConfig, host[strings.LastIndexByte(host, '@')+1:])
			}
			out = append(out, u.JoinPath(e.PathPrefix, "api/v2/alerts").String())
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%w: an entry of alertmanagers has no targets in static_configs", ErrConfig)
	}
	return out, nil
}

// tokenQuery returns the query of the URL of OAuth 2.0, or "".
func (e *Endpoints) tokenQuery() string {
	if e.HTTPClientConfig.OAuth2 == nil {
		return ""
	}
	_, query, _ := strings.Cut(e.HTTPClientConfig.OAuth2.TokenURL, "?")
	return query
}

func validRelabeling(cs []*relabel.Config) error {
	for i, c := range cs {
		if c == nil {
			return fmt.Errorf("%w: alert_relabel_configs: entry %d is empty", ErrConfig, i+1)
		}
		if err := c.Validate(model.UTF8Validation); err != nil {
			return fmt.Errorf("%w: alert_relabel_configs: entry %d: %w", ErrConfig, i+1, err)
		}
	}
	return nil
}

// external returns ls with the external labels that it does not have.
func (c *Config) external(ls labels.Labels) labels.Labels {
	b := labels.NewBuilder(ls)
	for n, v := range c.ExternalLabels {
		if !ls.Has(n) {
			b.Set(n, v)
		}
	}
	return b.Labels()
}
