package functions

import (
	"errors"
	"fmt"
	"net/http"

	"go.yaml.in/yaml/v3"
	"golang.org/x/crypto/bcrypt"
)

// ErrWebConfig marks a web configuration that cannot be used.
var ErrWebConfig = errors.New("invalid web configuration")

// BasicAuth lets only those users in that a configuration of the Prometheus exporter toolkit names under basic_auth_users. It is for
// platforms that end TLS themselves, so nothing else of such a file is taken.
func BasicAuth(config []byte, next http.Handler) (http.Handler, error) {
	var c struct {
		Users map[string]string `yaml:"basic_auth_users"`
	}
	// The text of an error would show the file, with its hashes.
	if err := yaml.Unmarshal(config, &c); err != nil {
		return nil, fmt.Errorf("%w: it is not YAML with basic_auth_users", ErrWebConfig)
	}
	if len(c.Users) == 0 {
		return nil, fmt.Errorf("%w: it names no basic_auth_users", ErrWebConfig)
	}
	for name, hash := range c.Users {
		if _, err := bcrypt.Cost([]byte(hash)); err != nil {
			return nil, fmt.Errorf("%w: the password of user %q is not a bcrypt hash", ErrWebConfig, name)
		}
	}
	// Unknown users cost as much time as known ones.
	nobody, err := bcrypt.GenerateFromPassword([]byte("nobody"), bcrypt.DefaultCost)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		hash, known := c.Users[user]
		if !known {
			hash = string(nobody)
		}
		if ok && bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) == nil && known {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", "Basic")
		http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
	}), nil
}
