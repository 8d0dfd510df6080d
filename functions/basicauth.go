package functions

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"sync"

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
	d, err := newDoor(c.Users)
	if err != nil {
		return nil, err
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, ok := r.BasicAuth(); ok && d.opens(user, password) {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", "Basic")
		http.Error(w, http.StatusText(http.StatusUnauthorized), http.StatusUnauthorized)
	}), nil
}

// door knows users by their bcrypt hashes. What has opened it is remembered, for bcrypt is slow by design and would be paid with every query.
type door struct {
	users  map[string]string
	nobody string
	// key makes what is remembered worthless outside of this process.
	key []byte

	mu     sync.Mutex
	opened map[string][]byte // by user
}

func newDoor(users map[string]string) (*door, error) {
	// Unknown users cost as much time as known ones.
	nobody, err := bcrypt.GenerateFromPassword([]byte("nobody"), bcrypt.DefaultCost)
	if err != nil {
		return nil, err
	}
	d := &door{users: users, nobody: string(nobody), key: make([]byte, sha256.Size), opened: map[string][]byte{}}
	_, err = rand.Read(d.key)
	return d, err
}

func (d *door) opens(user, password string) bool {
	mac := hmac.New(sha256.New, d.key)
	mac.Write([]byte(password))
	sum := mac.Sum(nil)
	d.mu.Lock()
	again := hmac.Equal(d.opened[user], sum)
	d.mu.Unlock()
	if again {
		return true
	}
	hash, known := d.users[user]
	if !known {
		hash = d.nobody
	}
	if bcrypt.CompareHashAndPassword([]byte(hash), []byte(password)) != nil || !known {
		return false
	}
	d.mu.Lock()
	d.opened[user] = sum
	d.mu.Unlock()
	return true
}
