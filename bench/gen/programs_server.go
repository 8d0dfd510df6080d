package gen

import "strconv"

var (
	classes    = []string{"com.acme.orders.OrderService", "com.acme.orders.OrderController", "com.acme.orders.repo.OrderRepository", "com.acme.billing.InvoiceClient", "org.springframework.web.servlet.DispatcherServlet", "com.zaxxer.hikari.pool.HikariPool"}
	exceptions = []string{"java.net.SocketTimeoutException: Read timed out", "java.lang.NullPointerException: Cannot invoke \"Order.getCustomer()\" because \"order\" is null", "org.postgresql.util.PSQLException: ERROR: deadlock detected", "java.lang.IllegalStateException: Connection pool shut down"}
	frames     = []string{"com.acme.orders.OrderService.place(OrderService.java:", "com.acme.orders.OrderService.validate(OrderService.java:", "com.acme.orders.repo.OrderRepository.save(OrderRepository.java:", "org.springframework.aop.framework.CglibAopProxy$CglibMethodInvocation.proceed(CglibAopProxy.java:", "org.springframework.transaction.interceptor.TransactionInterceptor.invoke(TransactionInterceptor.java:", "org.apache.catalina.core.ApplicationFilterChain.doFilter(ApplicationFilterChain.java:", "java.base/java.lang.reflect.Method.invoke(Method.java:", "java.base/java.lang.Thread.run(Thread.java:"}
	tables     = []string{"orders", "order_items", "customers", "invoices", "stock"}
	reasons    = []string{"Pulled", "Created", "Started", "Scheduled", "BackOff", "Unhealthy", "Killing", "FailedScheduling"}
)

// java writes the pattern of Spring Boot; a failure brings a stack trace of a line each.
func (s *scribe) java(*pod) {
	failed := s.oneIn(120)
	s.stamp(stampSpace, 3)
	switch {
	case failed:
		s.str(" ERROR")
	case s.oneIn(25):
		s.str("  WARN")
	default:
		s.str("  INFO")
	}
	s.str(" 1 --- [nio-8080-exec-")
	s.num(int64(1 + s.r.IntN(40)))
	s.str("] ")
	s.pick(classes)
	s.str(" : ")
	if failed {
		s.str("Request failed for order ")
		s.uuid()
		s.stack()
		return
	}
	switch s.skewed(4) {
	case 0:
		s.str("Saved order ")
		s.uuid()
		s.str(" with ")
		s.num(int64(1 + s.skewed(9)))
		s.str(" items in ")
		s.num(int64(s.skewed(900)))
		s.str(" ms")
	case 1:
		s.str("Completed 200 OK, locale=de_DE, session=")
		s.hex(8)
	case 2:
		s.str("HikariPool-1 - Pool stats (total=10, active=")
		s.num(int64(s.skewed(10)))
		s.str(", idle=")
		s.num(int64(s.skewed(10)))
		s.str(", waiting=0)")
	default:
		s.str("Invoice ")
		s.num(int64(4_000_000 + s.skewed(900_000)))
		s.str(" sent to customer ")
		s.num(int64(s.skewed(200_000)))
	}
}

func (s *scribe) stack() {
	s.str("\n")
	s.pick(exceptions)
	for range 8 + s.r.IntN(30) {
		s.str("\n\tat ")
		s.pick(frames)
		s.num(int64(20 + s.skewed(600)))
		s.str(")")
	}
	if s.oneIn(2) {
		s.str("\nCaused by: ")
		s.pick(exceptions)
		s.str("\n\t... ")
		s.num(int64(10 + s.r.IntN(60)))
		s.str(" more")
	}
}

// logfmt writes keys and values, logins among them.
func (s *scribe) logfmt(*pod) {
	s.str("level=")
	s.pick(levels)
	s.str(" ts=")
	s.stamp(stampISO, 9)
	s.str("Z caller=")
	if s.oneIn(9) {
		s.str(`auth.go:88 component=gateway msg="authentication failure" user=`)
		s.pick(users)
		s.str(" rhost=")
		s.ip()
		s.str(" port=")
		s.num(int64(1024 + s.r.IntN(60_000)))
		return
	}
	s.str("flush.go:")
	s.num(int64(90 + s.skewed(60)))
	s.str(" component=")
	s.pick(components)
	s.str(` msg="flushed stream" tenant=`)
	s.num(int64(s.skewed(40)))
	s.str(" chunks=")
	s.num(int64(1 + s.skewed(30)))
	s.str(" bytes=")
	s.upTo(3_000_000)
	s.str(" duration=")
	s.millis()
	s.str("ms request_id=")
	s.hex(8)
}

// postgres writes statements, some over several lines.
func (s *scribe) postgres(p *pod) {
	s.stderr = true
	s.stamp(stampSpace, 3)
	s.str(" UTC [")
	s.num(int64(p.pid + s.skewed(60)))
	s.str("] ")
	switch {
	case s.oneIn(60):
		s.str("ERROR:  duplicate key value violates unique constraint \"orders_pkey\"\nDETAIL:  Key (id)=(")
		s.uuid()
		s.str(") already exists.\nSTATEMENT:  INSERT INTO orders (id, customer, total) VALUES ($1, $2, $3)")
	case s.oneIn(20):
		s.str("LOG:  checkpoint complete: wrote ")
		s.upTo(9000)
		s.str(" buffers (")
		s.b = strconv.AppendFloat(s.b, s.r.Float64()*9, 'f', 1, 64)
		s.str("%); 0 WAL file(s) added, 0 removed, 1 recycled; write=")
		s.millis()
		s.str(" s, sync=0.004 s, total=")
		s.millis()
		s.str(" s")
	default:
		s.str("LOG:  duration: ")
		s.millis()
		s.str(" ms  statement: SELECT id, customer, total FROM ")
		s.pick(tables)
		s.str(" WHERE customer = ")
		s.num(int64(s.skewed(200_000)))
		s.str(" ORDER BY created DESC LIMIT 20")
	}
}

// events writes what an exporter of the cluster's events writes.
func (s *scribe) events(p *pod) {
	s.str(`{"metadata":{"name":"`, p.row.Pod, ".")
	s.hex(16)
	s.str(`","namespace":"`, p.row.Namespace, `","uid":"`)
	s.uuid()
	s.str(`","resourceVersion":"`)
	s.num(90_000_000 + s.counts[p.index])
	s.str(`"},"reason":"`)
	s.pick(reasons)
	s.str(`","message":"Container image \"`, p.image, `\" already present on machine","source":{"component":"kubelet","host":"`, p.row.Node, `"},"firstTimestamp":"`)
	s.stamp(stampISO, 0)
	s.str(`Z","count":`)
	s.num(int64(1 + s.skewed(200)))
	s.str(`,"type":"Normal","involvedObject":{"kind":"Pod","uid":"`, p.uid, `"}}`)
}

// noise writes tokens that do not compress.
func (s *scribe) noise(*pod) {
	s.str("session ")
	s.base62(22)
	s.str(" stored blob=")
	s.base62(24 + s.r.IntN(120))
	s.str(" ttl=")
	s.upTo(3600)
}
