package config

import (
	"fmt"
	"sort"
	"strings"
	"time"
)

// Config is everything that can be configured, with the defaults of New.
type Config struct {
	Storage   Storage
	Retention Retention
	Query     Query
	Cache     Cache
	Web       Web
	Compactor Compactor
	Alerting  Alerting
	Log       Log
	Price     Prices

	settings []*Setting
	byKey    map[string]*Setting
}

// Storage says where the lines are.
type Storage struct {
	// Bucket is the URL of the bucket: s3://bucket/prefix?endpoint=host:port or file:///path.
	Bucket Text
}

// Retention says how long lines are kept.
type Retention struct {
	Time      Duration
	Size      Size
	Interval  Duration
	Overrides Overrides
}

// Query bounds what queries may cost.
type Query struct {
	Limit        Int
	MaxLimit     Int
	Timeout      Duration
	IngestDelay  Duration
	MaxLength    Size
	MaxPoints    Int
	MaxSeries    Int
	MaxRange     Duration
	MaxBytes     Size
	MaxMemory    Size
	Concurrency  Int
	Queue        Int
	QueueTimeout Duration
	Parallel     Int
	HedgeAfter   Duration
	Partial      Bool
	// Fanout is into how many pieces a plan over FanoutBytes is cut, which instances at FanoutURL, or invocations of FanoutFunction, read.
	Fanout           Int
	FanoutBytes      Size
	FanoutURL        Text
	FanoutConfigFile Text
	FanoutFunction   Text
}

// Cache bounds the memory, and the space on disk, for parts of blocks.
type Cache struct {
	Size    Size
	Dir     Text
	DirSize Size
}

// Web is what listens.
type Web struct {
	ListenAddress Text
	ConfigFile    Text
	ConfigBase64  Text
	MaxBody       Size
	ReadTimeout   Duration
	WriteTimeout  Duration
	IdleTimeout   Duration
	GracePeriod   Duration
}

// Compactor is what rewrites and deletes.
type Compactor struct {
	Every        Duration
	Concurrency  Int
	Memory       Size
	TargetSize   Size
	Grace        Duration
	RawGrace     Duration
	SingleWriter Bool
	Shard        Text
	TempDir      Text
}

// Alerting evaluates rules.
type Alerting struct {
	Rules         List
	Every         Duration
	ListenAddress Text
	Alertmanagers List
	ConfigFile    Text
	ExternalURL   Text
	IngestDelay   Duration
	Late          Duration
	HoldMax       Duration
}

// Log is Lethe's own log, on stderr.
type Log struct {
	Level  Choice
	Format Choice
}

// Prices are what the store charges; explain multiplies with them.
type Prices struct {
	List, Get, GB Price
}

// New returns the defaults.
func New() *Config {
	c := &Config{}
	c.setDefaults()
	c.byKey = map[string]*Setting{}
	c.Add(c.table()...)
	return c
}

// Add takes further settings, with keys that are not taken yet.
func (c *Config) Add(settings ...*Setting) {
	for _, s := range settings {
		if c.byKey[s.Key] != nil {
			panic("config: the setting " + s.Key + " is there twice")
		}
		c.byKey[s.Key] = s
		c.settings = append(c.settings, s)
	}
}

func (c *Config) setDefaults() {
	day := Duration(24 * time.Hour)
	c.Retention = Retention{Time: 15 * day, Interval: Duration(10 * time.Minute)}
	c.Query = Query{
		Limit: Int{N: 1000}, MaxLimit: Int{N: 100_000}, Timeout: Duration(20 * time.Second), IngestDelay: Duration(2 * time.Minute),
		MaxLength: 64 << 10, MaxPoints: Int{N: 11_000, Min: 1}, MaxSeries: Int{N: 20_000, Min: 1},
		MaxBytes: 64 << 30, MaxMemory: 64 << 20, Concurrency: Int{N: 8, Min: 1}, Queue: Int{N: 32}, QueueTimeout: Duration(5 * time.Second),
		Parallel: Int{N: 8, Min: 1, Max: 256}, HedgeAfter: Duration(time.Second), Fanout: Int{Max: 64}, FanoutBytes: 2 << 30,
	}
	c.Cache = Cache{Size: 64 << 20, DirSize: 1 << 30}
	c.Web = Web{
		ListenAddress: ":6060", MaxBody: 1 << 20, ReadTimeout: Duration(15 * time.Second), WriteTimeout: Duration(10 * time.Minute),
		IdleTimeout: Duration(2 * time.Minute), GracePeriod: Duration(15 * time.Second),
	}
	c.Compactor = Compactor{
		Every: Duration(time.Minute), Concurrency: Int{N: 2, Min: 1, Max: 256}, Memory: 64 << 20, TargetSize: 256 << 20,
		Grace: Duration(5 * time.Minute), RawGrace: Duration(20 * time.Minute),
	}
	c.Alerting = Alerting{
		Every: Duration(30 * time.Second), IngestDelay: Duration(2 * time.Minute), Late: Duration(time.Hour), HoldMax: day,
	}
	c.Log = Log{
		Level:  Choice{Word: "info", Words: []string{"debug", "info", "warn", "error"}},
		Format: Choice{Word: "text", Words: []string{"text", "json"}},
	}
	c.Price = Prices{List: 0.005, Get: 0.0004, GB: 0}
}

// Setting returns the setting of a key. It panics for a key that there is not: keys are constants of the program.
func (c *Config) Setting(key string) *Setting {
	s, ok := c.byKey[key]
	if !ok {
		panic("config: there is no setting " + key)
	}
	return s
}

// Settings returns all settings, in the order in which they are documented.
func (c *Config) Settings() []*Setting { return c.settings }

// legacy are keys of the original Lethe that mean nothing here.
var legacy = map[string]string{
	"version":                   "it has no meaning",
	"retention.size_strategy":   "sizes are counted over everything stored",
	"retention.sizing_strategy": "sizes are counted over everything stored",
	"retention.sizingstrategy":  "sizes are counted over everything stored",
	"storage.driver":            "the bucket's URL says what kind of store it is",
	"storage.log_data_path":     "lines are in the bucket, see storage.bucket",
	"storage.logdatapath":       "lines are in the bucket, see storage.bucket",
	"web.gin_mode":              "there is no such framework here",
}

// LoadFile takes the values of a lethe.yaml that no higher source has set. It returns a warning for each key of the original Lethe that
// means nothing here. Errors name the file, the line and the column; an unknown key is one.
func (c *Config) LoadFile(name string, data []byte) (warnings []string, err error) {
	entries, err := decode(name, data)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if s, ok := c.byKey[e.key]; ok {
			if err := s.setNode(e.node); err != nil {
				return warnings, e.fault(name, err)
			}
			continue
		}
		if e.isNull() && c.similar(e.key) != "" {
			continue // a section with nothing in it
		}
		why, ok := legacy[strings.ToLower(e.key)]
		if !ok {
			return warnings, fmt.Errorf("%s:%s: unknown key %s%s", name, place(e.name), e.key, c.similar(e.key))
		}
		warnings = append(warnings, fmt.Sprintf("%s:%s: the key %s of the original Lethe is ignored: %s", name, place(e.name), e.key, why))
	}
	return warnings, nil
}

// similar names the keys beside an unknown one.
func (c *Config) similar(key string) string {
	section, _, _ := strings.Cut(key, ".")
	var names []string
	for _, s := range c.settings {
		if strings.HasPrefix(s.Key, section+".") {
			names = append(names, s.Key)
		}
	}
	if names == nil {
		return ""
	}
	sort.Strings(names)
	return " (there are " + strings.Join(names, ", ") + ")"
}

// LoadEnv takes the values of environment variables that no flag has set.
func (c *Config) LoadEnv(lookup func(name string) (string, bool)) error {
	for _, s := range c.settings {
		text, ok := lookup(s.Env())
		if !ok {
			continue
		}
		if err := s.setEnv(text); err != nil {
			return fmt.Errorf("environment variable %s: %w", s.Env(), err)
		}
	}
	return nil
}
