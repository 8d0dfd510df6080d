package config

// table lists every setting. The order is that of the documentation.
func (c *Config) table() []*Setting {
	var t []*Setting
	for _, group := range [][]*Setting{c.storageTable(), c.retentionTable(), c.queryTable(), c.webTable(), c.compactorTable(), c.alertingTable()} {
		t = append(t, group...)
	}
	return t
}

func (c *Config) storageTable() []*Setting {
	return []*Setting{
		{Key: "storage.bucket", Usage: "URL of the bucket: s3://bucket/prefix?endpoint=host:port or file:///path", Value: &c.Storage.Bucket},
		{Key: "log.level", Usage: "what is logged on stderr: debug, info, warn or error", Value: &c.Log.Level},
		{Key: "log.format", Usage: "how it is logged: text or json", Value: &c.Log.Format},
	}
}

func (c *Config) retentionTable() []*Setting {
	r := &c.Retention
	return []*Setting{
		{Key: "retention.time", Usage: "how long lines are kept; 0 is for ever", Value: &r.Time},
		{Key: "retention.size", Usage: "how much is kept, over everything stored, the oldest hours going first; 0 is unlimited", Value: &r.Size},
		{Key: "retention.interval", Usage: "how often retention is enforced", Value: &r.Interval},
		{Key: "retention.overrides", Usage: "other times and sizes by selector, as YAML: [{selector: 'pod{namespace=\"dev\"}', time: 3d}]", Value: &r.Overrides},
	}
}

func (c *Config) queryTable() []*Setting {
	q := &c.Query
	return []*Setting{
		{Key: "query.limit", Usage: "lines that a log query returns; 0 is all, on the command line", Value: &q.Limit},
		{Key: "query.max_limit", Usage: "lines that a log query may ask for over HTTP; 0 is unlimited, and allows limit=0 for all of them", Value: &q.MaxLimit},
		{Key: "query.timeout", Usage: "how long a query may run; 0 is unlimited", Value: &q.Timeout},
		{Key: "query.ingest_delay", Usage: "how long lines take to arrive; a log query without a time ends so long ago", Value: &q.IngestDelay},
		{Key: "query.max_length", Usage: "bytes of a query's text", Value: &q.MaxLength},
		{Key: "query.max_points", Usage: "points of a series that a query may ask for", Value: &q.MaxPoints},
		{Key: "query.max_series", Usage: "series that a metric query may touch", Value: &q.MaxSeries},
		{Key: "query.max_range", Usage: "longest time that a query may span; 0 is unlimited", Value: &q.MaxRange},
		{Key: "query.max_bytes", Usage: "bytes that a query may read; 0 is unlimited", Value: &q.MaxBytes},
		{Key: "query.max_memory", Usage: "bytes of memory that a query may hold, more than 0: lines that it puts in order, values that it computes", Value: &q.MaxMemory},
		{Key: "query.concurrency", Usage: "queries that run at once; requests for labels, targets, rules and alerts count as such", Value: &q.Concurrency},
		{Key: "query.queue", Usage: "queries that may wait for their turn; others are refused at once", Value: &q.Queue},
		{Key: "query.queue_timeout", Usage: "how long a query waits for its turn", Value: &q.QueueTimeout},
		{Key: "query.parallel", Usage: "objects that a query reads at once", Value: &q.Parallel},
		{Key: "query.hedge_after", Usage: "how long the store may take to begin an answer before a query asks again, one request in ten at most; 0 is never", Value: &q.HedgeAfter},
		{Key: "query.partial", Usage: "answer without the objects that cannot be read, with a warning that names them", Value: &q.Partial},
		{Key: "query.fanout", Usage: "pieces into which a large query is cut for other instances to read, up to 64; 0 is none", Value: &q.Fanout},
		{Key: "query.fanout_bytes", Usage: "bytes of blocks from which on a query is large", Value: &q.FanoutBytes},
		{Key: "query.fanout_url", Usage: "URL under which the other instances are reached, as http://lethe-query:6060; they need the same settings", Value: &q.FanoutURL},
		{Key: "query.fanout_config.file", Usage: "YAML file of Prometheus's HTTP client with basic_auth, authorization or tls_config, for query.fanout_url", Value: &q.FanoutConfigFile},
		{Key: "query.fanout_function", Usage: "AWS Lambda function that is invoked instead; under Lambda, the function itself where neither is said", Value: &q.FanoutFunction},
		{Key: "cache.size", Usage: "memory for parts of blocks that were read; 0 is none", Value: &c.Cache.Size},
		{Key: "cache.dir", Usage: "folder for parts of blocks that were read, which processes may share and anybody may delete; empty is none", Value: &c.Cache.Dir},
		{Key: "cache.dir_size", Usage: "bytes of files in cache.dir, at least 64MiB", Value: &c.Cache.DirSize},
		{Key: "price.list", Usage: "price of 1,000 list requests, for explain", Value: &c.Price.List},
		{Key: "price.get", Usage: "price of 1,000 get requests, for explain", Value: &c.Price.Get},
		{Key: "price.gb", Usage: "price of a GB that leaves the store, for explain", Value: &c.Price.GB},
	}
}

func (c *Config) webTable() []*Setting {
	w := &c.Web
	return []*Setting{
		{Key: "web.listen_address", Usage: "address to listen on", Value: &w.ListenAddress},
		{Key: "web.config.file", Usage: "file of the Prometheus exporter toolkit that turns on TLS, client certificates and basic auth", Value: &w.ConfigFile},
		{Key: "web.config.base64", Usage: "the same file in base64, of which only basic_auth_users count, for functions of a cloud, which have variables but no files", Value: &w.ConfigBase64},
		{Key: "web.max_body", Usage: "bytes of a request's body", Value: &w.MaxBody},
		{Key: "web.read_timeout", Usage: "how long a client may take to send its request", Value: &w.ReadTimeout},
		{Key: "web.write_timeout", Usage: "how long a client may take to read its answer", Value: &w.WriteTimeout},
		{Key: "web.idle_timeout", Usage: "how long an idle connection is kept", Value: &w.IdleTimeout},
		{Key: "web.grace_period", Usage: "how long requests may go on after a signal to stop", Value: &w.GracePeriod},
	}
}

func (c *Config) compactorTable() []*Setting {
	k := &c.Compactor
	return []*Setting{
		{Key: "compactor.every", Usage: "how often raw objects are compacted; 0 is never", Value: &k.Every},
		{Key: "compactor.concurrency", Usage: "targets that are compacted at once", Value: &k.Concurrency},
		{Key: "compactor.memory", Usage: "bytes of lines that are held for sorting", Value: &k.Memory},
		{Key: "compactor.target_size", Usage: "largest block of a closed hour", Value: &k.TargetSize},
		{Key: "compactor.grace", Usage: "how long replaced blocks stay for the queries that read them; at least twice query.timeout", Value: &k.Grace},
		{Key: "compactor.raw_grace", Usage: "how long consumed raw objects stay; more than 15m", Value: &k.RawGrace},
		{Key: "compactor.single_writer", Usage: "compact in a store without conditional puts; only one compactor may ever run", Value: &k.SingleWriter},
		{Key: "compactor.shard", Usage: "compact only part i of n of the targets, written i/n", Value: &k.Shard},
		{Key: "compactor.temp_dir", Usage: "folder for temporary files", Value: &k.TempDir},
	}
}

func (c *Config) alertingTable() []*Setting {
	a := &c.Alerting
	return []*Setting{
		{Key: "alerting.rules", Usage: "rule file, or pattern of rule files; may be repeated", Value: &a.Rules},
		{Key: "alerting.every", Usage: "how often rules are evaluated", Value: &a.Every},
		{Key: "alerting.listen_address", Usage: "address on which lethe alert tells its metrics, rules and alerts; without one it listens nowhere", Value: &a.ListenAddress},
		{Key: "alerting.alertmanagers", Usage: "URL of an Alertmanager; may be repeated, and all of them are told", Value: &a.Alertmanagers},
		{Key: "alerting.config.file", Usage: "YAML file of Alertmanagers with basic auth, TLS and relabeling", Value: &a.ConfigFile},
		{Key: "alerting.external_url", Usage: "URL under which people reach this server, for links in alerts", Value: &a.ExternalURL},
		{Key: "alerting.ingest_delay", Usage: "how long lines take to arrive; rules look at windows that end so long ago", Value: &a.IngestDelay},
		{Key: "alerting.late", Usage: "how late lines may arrive and still be counted", Value: &a.Late},
		{Key: "alerting.hold_max", Usage: "how long the compactor holds a raw object that a rule has not seen", Value: &a.HoldMax},
	}
}
