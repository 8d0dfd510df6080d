# `make test` and `make demo` do all the set-up they need, inside this checkout. `make help` lists the rest.

TOOLS   := $(CURDIR)/.tools
BIN     := $(CURDIR)/bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -s -w -X main.version=$(VERSION)
PKG     ?= ./...
GO      ?= go

# Servers that the tests run beside them (never linked), and tools. Each is installed when it is missing or of another version.
MINIO_VERSION         := v0.0.0-20260212201848-7aac2a2c5b7c
VERSITYGW_VERSION     := v1.8.0
ALERTMANAGER_VERSION  := v0.27.0
HELM_VERSION          := v3.22.0
MC_VERSION            := v0.0.0-20250313080218-cf909e1063a9
GOLANGCI_LINT_VERSION := v2.15.0
GO_LICENSES_VERSION   := v1.6.0

# $(call tool,VARIABLE,NAME,PACKAGE,VERSION) makes a rule that installs PACKAGE@VERSION, with a stamp named by the version.
define tool
$(1) := $(TOOLS)/stamps/$(2)@$(4)
$(TOOLS)/stamps/$(2)@$(4):
	@mkdir -p $(TOOLS)/bin $(TOOLS)/stamps && rm -f $(TOOLS)/stamps/$(2)@*
	GOBIN=$(TOOLS)/bin $(GO) install $(3)@$(4)
	@touch $$@
endef
$(eval $(call tool,MINIO,minio,github.com/minio/minio,$(MINIO_VERSION)))
$(eval $(call tool,VERSITYGW,versitygw,github.com/versity/versitygw/cmd/versitygw,$(VERSITYGW_VERSION)))
$(eval $(call tool,ALERTMANAGER,alertmanager,github.com/prometheus/alertmanager/cmd/alertmanager,$(ALERTMANAGER_VERSION)))
$(eval $(call tool,HELM,helm,helm.sh/helm/v3/cmd/helm,$(HELM_VERSION)))
$(eval $(call tool,MC,mc,github.com/minio/mc,$(MC_VERSION)))
$(eval $(call tool,GOLANGCI_LINT,golangci-lint,github.com/golangci/golangci-lint/v2/cmd/golangci-lint,$(GOLANGCI_LINT_VERSION)))
$(eval $(call tool,GO_LICENSES,go-licenses,github.com/google/go-licenses,$(GO_LICENSES_VERSION)))

# How tests find the servers. Outside of make, set them yourself.
export LETHE_TEST_MINIO        ?= $(TOOLS)/bin/minio
export LETHE_TEST_VERSITYGW    ?= $(TOOLS)/bin/versitygw
export LETHE_TEST_ALERTMANAGER ?= $(TOOLS)/bin/alertmanager
export LETHE_TEST_HELM         ?= $(TOOLS)/bin/helm
export LETHE_TEST_MC           ?= $(TOOLS)/bin/mc

.PHONY: help
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: build
build: ## build bin/lethe, static
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o $(BIN)/lethe ./cmd/lethe

.PHONY: demo
demo: build ## sample logs, compacted and served on :6060
	$(BIN)/lethe demo

# What tests need comes over the network, so all of it comes at once.
.PHONY: test-tools
test-tools:
	@$(MAKE) --no-print-directory -j test-tools-at-once

.PHONY: test-tools-at-once modules
test-tools-at-once: $(MINIO) $(VERSITYGW) $(ALERTMANAGER) $(HELM) $(MC) modules
modules:
	@$(GO) list -deps -test ./... >/dev/null
	@cd test/duckdb && $(GO) list -deps -test ./... >/dev/null

.PHONY: test
test: test-tools ## all tests, with the race detector, on memory, files, MinIO and VersityGW; PKG=./objstore/... for some
	CGO_ENABLED=1 $(GO) test -race -timeout 20m $(PKG)
	$(if $(filter ./...,$(PKG)),$(MAKE) duckdb)

.PHONY: duckdb
duckdb: ## read blocks with DuckDB, in a module of its own beside the product
	cd test/duckdb && CGO_ENABLED=1 $(GO) test -timeout 20m ./...

.PHONY: test-docker
test-docker: test-tools ## the same with MinIO in a container
	CGO_ENABLED=1 $(GO) test -race -timeout 20m -tags docker $(PKG)

# Checks look at the product as it is built, for then what it needs is compiled once.
vet lint licences: export CGO_ENABLED = 0
vet lint licences: export GOFLAGS += -trimpath

.PHONY: vet
vet: ## go vet
	$(GO) vet ./...

.PHONY: lint
lint: $(GOLANGCI_LINT) ## golangci-lint, configured in .golangci.yml
	$(TOOLS)/bin/golangci-lint run --timeout 10m $(PKG)

.PHONY: licences
licences: $(GO_LICENSES) ## fail on a linked dependency whose licence is not in the list
	$(TOOLS)/bin/go-licenses check ./cmd/lethe --ignore lethe \
		--allowed_licenses=Apache-2.0,MIT,BSD-2-Clause,BSD-2-Clause-FreeBSD,BSD-3-Clause,ISC,MPL-2.0

.PHONY: lambda
lambda: ## build dist/lambda/bootstrap for arm64, with the ready-made rules
	rm -rf dist/lambda && mkdir -p dist/lambda/rules
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o dist/lambda/bootstrap ./cmd/lethe
	cp deploy/rules/*.yaml dist/lambda/rules/

.PHONY: image
image: build ## dist/lethe-image.tar, without a container engine
	$(GO) run ./deploy/image -binary $(BIN)/lethe -version $(VERSION) -zoneinfo "$$($(GO) env GOROOT)/lib/time/zoneinfo.zip" -o dist/lethe-image.tar

.PHONY: bench
bench: ## Go benchmarks, into bench.txt for benchstat
	$(GO) test -run '^$$' -bench . -benchmem -count 5 $(PKG) | tee bench.txt

# How many lines make bench-compact makes: 3,500,000 are 1 GB of text, 35,000,000 are 10 GB.
LINES ?= 35000000

.PHONY: bench-compact
bench-compact: build ## compact an hour of generated logs on one core; fails over 256 MiB of memory
	$(GO) build -o $(BIN)/lethe-bench ./bench/cmd/lethe-bench
	$(BIN)/lethe-bench compact --binary $(BIN)/lethe --lines $(LINES) --namespaces 1 --duration 1h --max-mib 256

.PHONY: bench-coldstart
bench-coldstart: build ## start the function on one core, again and again; fails over 150 ms, 128 MiB of memory and 60 MB of program
	$(GO) build -o $(BIN)/lethe-bench ./bench/cmd/lethe-bench
	taskset -c 0 $(BIN)/lethe-bench coldstart --binary $(BIN)/lethe --lines 100000 --namespaces 1 --duration 50m --max-ms 150 --max-mib 128 --max-size 60

.PHONY: tools
tools: $(MINIO) $(VERSITYGW) $(ALERTMANAGER) $(HELM) $(MC) $(GOLANGCI_LINT) $(GO_LICENSES) ## install what tests and checks need into .tools

.PHONY: clean
clean: ## remove what was built, and the tools
	rm -rf $(BIN) $(TOOLS) bench.txt
