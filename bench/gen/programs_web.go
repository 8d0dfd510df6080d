package gen

var (
	methods  = []string{"GET", "GET", "GET", "POST", "GET", "PUT", "DELETE", "HEAD"}
	paths    = []string{"/api/v1/products/", "/api/v1/cart/", "/", "/static/app.3f2a91.js", "/favicon.ico", "/api/v1/orders/", "/healthz", "/robots.txt", "/search?q=", "/login", "/api/v2/recommendations?user=", "/images/banner.webp", "/admin/export"}
	statuses = []string{"200", "200", "200", "200", "200", "304", "302", "404", "499", "500", "502"}
	agents   = []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1",
		"kube-probe/1.31", "Mozilla/5.0 (X11; Linux x86_64; rv:132.0) Gecko/20100101 Firefox/132.0", "curl/8.9.1", "Prometheus/2.55.0", "python-requests/2.32.3", "Googlebot/2.1 (+http://www.google.com/bot.html)",
	}
	levels     = []string{"info", "info", "info", "info", "debug", "warn", "error"}
	users      = []string{"alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "niaj", "olivia", "peggy", "root", "sybil", "trent", "victor", "walter", "admin"}
	components = []string{"distributor", "ingester", "querier", "compactor", "ruler", "gateway"}
	currencies = []string{"EUR", "USD", "GBP", "KRW", "JPY"}
)

// nginx writes an access log in the combined format, with times of the upstream.
func (s *scribe) nginx(*pod) {
	if s.oneIn(150) {
		s.stderr = true
		s.stamp(stampSpace, 0)
		s.str(" [error] 31#31: *")
		s.upTo(90_000)
		s.str(" recv() failed (104: Connection reset by peer) while reading response header from upstream, client: ")
		s.ip()
		s.str(", server: shop.example.com, request: \"GET ")
		s.path()
		s.str(" HTTP/1.1\", upstream: \"http://")
		s.ip()
		s.str(":8080\"")
		return
	}
	s.ip()
	s.str(" - - [")
	s.stamp(stampCLF, 0)
	s.str("] \"")
	s.pick(methods)
	s.str(" ")
	s.path()
	s.str(" HTTP/1.1\" ")
	s.pick(statuses)
	s.str(" ")
	s.upTo(40_000)
	s.str(" \"https://shop.example.com/\" \"")
	s.pick(agents)
	s.str("\" rt=")
	s.millis()
	s.str(" ua=\"")
	s.ip()
	s.str(":8080\" request_id=")
	s.hex(32)
}

func (s *scribe) path() {
	p := paths[s.skewed(len(paths))]
	s.str(p)
	if last := p[len(p)-1]; len(p) > 1 && (last == '/' || last == '=') {
		s.num(int64(s.skewed(60_000)))
	}
}

// service writes JSON with the ids of a trace.
func (s *scribe) service(p *pod) {
	level := levels[s.skewed(len(levels))]
	s.str(`{"level":"`, level, `","ts":"`)
	s.stamp(stampISO, 6)
	s.str(`Z","logger":"checkout","caller":"checkout/handler.go:`)
	s.num(int64(40 + s.skewed(400)))
	s.str(`","msg":"`)
	switch {
	case level == "error":
		s.stderr = true
		s.str(`payment declined","error":"rpc error: code = DeadlineExceeded desc = context deadline exceeded`)
	case s.oneIn(12):
		s.str("cache miss for basket")
	case s.oneIn(400):
		s.str("retrying after försök misslyckades ✗")
	default:
		s.str("order placed")
	}
	s.str(`","trace_id":"`)
	s.hex(32)
	s.str(`","span_id":"`)
	s.hex(16)
	s.str(`","user_id":`)
	s.num(int64(s.skewed(200_000)))
	s.str(`,"order_id":`)
	s.num(1_000_000_000_000_000 + s.r.Int64N(9_000_000_000_000_000))
	s.str(`,"amount":`)
	s.upTo(50_000)
	s.str(`,"currency":"`)
	s.pick(currencies)
	s.str(`","duration_ms":`)
	s.millis()
	s.str(`,"worker":`)
	s.num(int64(p.pid))
	s.str(`}`)
}

// klog writes what controllers of Kubernetes write.
func (s *scribe) klog(p *pod) {
	s.stderr = true
	level := "IIIIIIIWE"[s.skewed(9)]
	s.b = append(s.b, level)
	s.stamp(stampKlog, 6)
	s.str("       1 ")
	switch {
	case level == 'E':
		s.str(`reflector.go:158] "Unhandled Error" err="failed to list *v1.Endpoints: connection refused" logger="UnhandledError"`)
	case s.oneIn(3):
		s.str(`reconciler.go:`)
		s.num(int64(200 + s.skewed(40)))
		s.str(`] "Reconciled" object="`, p.row.Namespace, "/")
		s.pick(users)
		s.str("-config-")
		s.num(int64(s.skewed(300)))
		s.str(`" generation=`)
		s.num(int64(s.skewed(50)))
		s.str(" reconcileID=\"")
		s.uuid()
		s.str(`"`)
	default:
		s.str(`httplog.go:132] "HTTP" verb="LIST" URI="/api/v1/namespaces/`, p.row.Namespace, `/pods?limit=500&resourceVersion=`)
		s.num(80_000_000 + s.counts[p.index])
		s.str(`" latency="`)
		s.millis()
		s.str(`ms" userAgent="controller/v1.31.2" srcIP="`)
		s.ip()
		s.str(`" resp=200`)
	}
}
