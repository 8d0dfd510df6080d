# `make test` and `make demo` do all the set-up they need, inside this checkout. `make help` lists the rest.

TOOLS   := $(CURDIR)/.tools
BIN     := $(CURDIR)/bin
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
# A chart's version must be SemVer, which that of a checkout without a tag is not.
CHART_VERSION := $(shell echo '$(VERSION)' | grep -Eq '^v?[0-9]+\.[0-9]+\.[0-9]+' && echo '$(patsubst v%,%,$(VERSION))' || echo '0.0.0-g$(VERSION)')
LDFLAGS := -s -w -X main.version=$(VERSION)
PKG     ?= ./...
GO      ?= go

# Servers that the tests run beside them (never linked), and tools. Each is installed when it is missing or of another version.
MINIO_VERSION         := v0.0.0-20260212201848-7aac2a2c5b7c
VERSITYGW_VERSION     := v1.8.0
ALERTMANAGER_VERSION  := v0.27.0
HELM_VERSION          := v3.22.0
LAMBDA_VERSION        := v0.0.0-20261030222936-bef5c4ba774d
MC_VERSION            := v0.0.0-20250313080218-cf909e1063a9
GOLANGCI_LINT_VERSION := v2.15.0
GO_LICENSES_VERSION   := v1.6.0
CYCLONEDX_VERSION     := v1.10.0
GORELEASER_VERSION    := v2.12.7

# What the tests start beside them is built the quickest way: its compilation is most of a first `make test`, and nobody debugs or measures it. Packages of
# Go itself stay as they are, so that they are compiled once for all.
QUICK := -trimpath -ldflags='-s -w' -gcflags=all='-N -l' -gcflags=std=

# $(call tool,VARIABLE,NAME,PACKAGE,VERSION,FLAGS) makes a rule that installs PACKAGE@VERSION, with a stamp named by the version.
define tool
$(1) := $(TOOLS)/stamps/$(2)@$(4)
$(TOOLS)/stamps/$(2)@$(4):
	@mkdir -p $(TOOLS)/bin $(TOOLS)/stamps && rm -f $(TOOLS)/stamps/$(2)@*
	CGO_ENABLED=0 GOBIN=$(TOOLS)/bin $(GO) install $(5) $(3)@$(4)
	@touch $$@
endef
$(eval $(call tool,MINIO,minio,github.com/minio/minio,$(MINIO_VERSION),$(QUICK)))
$(eval $(call tool,VERSITYGW,versitygw,github.com/versity/versitygw/cmd/versitygw,$(VERSITYGW_VERSION),$(QUICK)))
$(eval $(call tool,ALERTMANAGER,alertmanager,github.com/prometheus/alertmanager/cmd/alertmanager,$(ALERTMANAGER_VERSION),$(QUICK)))
$(eval $(call tool,HELM,helm,helm.sh/helm/v3/cmd/helm,$(HELM_VERSION),$(QUICK)))
$(eval $(call tool,LAMBDA,aws-lambda-rie,github.com/aws/aws-lambda-runtime-interface-emulator/cmd/aws-lambda-rie,$(LAMBDA_VERSION),$(QUICK)))
$(eval $(call tool,MC,mc,github.com/minio/mc,$(MC_VERSION),$(QUICK)))
$(eval $(call tool,GOLANGCI_LINT,golangci-lint,github.com/golangci/golangci-lint/v2/cmd/golangci-lint,$(GOLANGCI_LINT_VERSION)))
$(eval $(call tool,GO_LICENSES,go-licenses,github.com/google/go-licenses,$(GO_LICENSES_VERSION)))
$(eval $(call tool,CYCLONEDX,cyclonedx-gomod,github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod,$(CYCLONEDX_VERSION)))
$(eval $(call tool,GORELEASER,goreleaser,github.com/goreleaser/goreleaser/v2,$(GORELEASER_VERSION)))

# promtool cannot be installed by its path, for its module replaces others: it is built in a module beside the product, without the clients of service
# discovery.
PROMTOOL := $(TOOLS)/stamps/promtool@$(shell awk '$$1 == "require" && $$2 == "github.com/prometheus/prometheus" { print $$3 }' test/promtool/go.mod)
$(PROMTOOL): test/promtool/go.mod test/promtool/go.sum
	@mkdir -p $(TOOLS)/bin $(TOOLS)/stamps && rm -f $(TOOLS)/stamps/promtool@*
	cd test/promtool && CGO_ENABLED=0 $(GO) build -trimpath -tags remove_all_sd -ldflags '-s -w' -o $(TOOLS)/bin/promtool github.com/prometheus/prometheus/cmd/promtool
	@touch $@

# How tests find the servers. Outside of make, set them yourself.
export LETHE_TEST_MINIO        ?= $(TOOLS)/bin/minio
export LETHE_TEST_VERSITYGW    ?= $(TOOLS)/bin/versitygw
export LETHE_TEST_ALERTMANAGER ?= $(TOOLS)/bin/alertmanager
export LETHE_TEST_LAMBDA       ?= $(TOOLS)/bin/aws-lambda-rie
export LETHE_TEST_HELM         ?= $(TOOLS)/bin/helm
export LETHE_TEST_MC           ?= $(TOOLS)/bin/mc
export LETHE_TEST_PROMTOOL     ?= $(TOOLS)/bin/promtool

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
test-tools-at-once: $(MINIO) $(ALERTMANAGER) $(LAMBDA) $(HELM) $(MC) modules
modules:
	@$(GO) list -deps -test ./... >/dev/null

.PHONY: test
test: test-tools ## all tests, with the race detector, on memory, files and MinIO; PKG=./objstore/... for some
	CGO_ENABLED=1 $(GO) test -race -vet=off -timeout 20m $(PKG)

.PHONY: interop
interop: stores duckdb promtool terraform ## what others make of it: VersityGW as the store, DuckDB as the reader, promtool as the client; and Terraform as SAM

.PHONY: stores
stores: $(VERSITYGW) ## the suite of stores and the probe on VersityGW
	CGO_ENABLED=1 $(GO) test -race -timeout 20m -tags stores -run VersityGW ./objstore/s3store ./objstore/probe

# What a module beside the product reads of the product, go test does not look at when it takes a result from its cache: so it takes none.
.PHONY: duckdb
duckdb: ## read blocks with DuckDB, in a module of its own beside the product
	cd test/duckdb && CGO_ENABLED=1 $(GO) test -count 1 -timeout 20m ./...

.PHONY: terraform
terraform: ## hold the Terraform module against the template of SAM, in a module of its own beside the product
	cd test/terraform && CGO_ENABLED=1 $(GO) test -count 1 -race -timeout 20m ./...

.PHONY: promtool
promtool: $(PROMTOOL) $(HELM) ## ask a server by promtool, and test the chart's rules on metrics
	CGO_ENABLED=1 $(GO) test -race -timeout 20m -tags promtool -run Promtool ./cmd/lethe ./deploy/helm

.PHONY: test-docker
test-docker: test-tools ## the same with MinIO in a container
	CGO_ENABLED=1 $(GO) test -race -timeout 20m -tags docker $(PKG)

# Checks look at the product as it is built, for then what it needs is compiled once.
vet lint licences: export CGO_ENABLED = 0
vet lint licences: export GOFLAGS += -trimpath

.PHONY: vet
vet: ## go vet, with what is built by tags, and the modules beside the product
	$(GO) vet ./...
	$(GO) vet -tags stores,docker,promtool ./objstore/... ./cmd/lethe ./deploy/helm
	cd test/duckdb && CGO_ENABLED=1 $(GO) vet -trimpath=false ./... # as its tests were built
	cd test/terraform && $(GO) vet ./...

.PHONY: lint
lint: $(GOLANGCI_LINT) ## golangci-lint, configured in .golangci.yml, with what is built by tags
	$(TOOLS)/bin/golangci-lint run --timeout 10m $(PKG)
	$(TOOLS)/bin/golangci-lint run --timeout 10m --build-tags docker ./objstore/objtest

.PHONY: licences
licences: $(GO_LICENSES) ## fail on a linked dependency whose licence is not in the list
	$(TOOLS)/bin/go-licenses check ./cmd/lethe --ignore lethe \
		--allowed_licenses=Apache-2.0,MIT,BSD-2-Clause,BSD-2-Clause-FreeBSD,BSD-3-Clause,ISC,MPL-2.0

.PHONY: lambda
lambda: ## build dist/lambda/bootstrap for arm64, with the ready-made rules
	rm -rf dist/lambda && mkdir -p dist/lambda/rules
	CGO_ENABLED=0 GOOS=linux GOARCH=arm64 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o dist/lambda/bootstrap ./cmd/lethe
	cp deploy/rules/*.yaml dist/lambda/rules/

# What the targets below work on: a binary, and the architecture that an image is for.
ARCH   ?= $(shell $(GO) env GOARCH)
BINARY ?= $(BIN)/lethe
IMAGE  ?= dist/lethe-image.tar
SBOM   ?= dist/lethe.cdx.json

.PHONY: image
image: ## dist/lethe-image.tar for linux, without a container engine; ARCH=arm64 for another architecture
	CGO_ENABLED=0 GOOS=linux GOARCH=$(ARCH) $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o dist/image/$(ARCH)/lethe ./cmd/lethe
	$(MAKE) image-of BINARY=dist/image/$(ARCH)/lethe

.PHONY: image-of
image-of:
	$(GO) run ./deploy/image -binary $(BINARY) -arch $(ARCH) -version $(VERSION) -zoneinfo "$$($(GO) env GOROOT)/lib/time/zoneinfo.zip" \
		$(if $(NOTICES),-notices $(NOTICES)) -o $(IMAGE)

.PHONY: sbom
sbom: build ## dist/lethe.cdx.json: what the binary is linked with, as CycloneDX
	$(MAKE) sbom-of

.PHONY: sbom-of
sbom-of: $(CYCLONEDX)
	@mkdir -p $(dir $(SBOM))
	$(TOOLS)/bin/cyclonedx-gomod bin -json -licenses -noserial -notimestamp -version $(VERSION) -output $(SBOM) $(BINARY)

.PHONY: licence-list
licence-list: $(GO_LICENSES) ## dist/licences.csv and dist/THIRD_PARTY_LICENSES.txt: what is linked, under which licence, and their texts
	@mkdir -p dist
	$(TOOLS)/bin/go-licenses report ./cmd/lethe --ignore lethe >dist/licences.csv
	$(TOOLS)/bin/go-licenses report ./cmd/lethe --ignore lethe --template deploy/release/licences.tpl >dist/THIRD_PARTY_LICENSES.txt

.PHONY: chart
chart: $(HELM) ## dist/lethe-VERSION.tgz, the chart
	$(TOOLS)/bin/helm package deploy/helm/lethe --version $(CHART_VERSION) --app-version $(CHART_VERSION) --destination dist
	$(GO) run ./deploy/chart dist/lethe-$(CHART_VERSION).tgz

# What a release holds besides binaries: goreleaser calls it, and adds images and SBOMs of its binaries.
.PHONY: release-parts
release-parts:
	rm -rf dist/parts dist/*.tgz && mkdir -p dist/parts
	$(MAKE) chart licence-list
	mv dist/*.tgz dist/licences.csv dist/THIRD_PARTY_LICENSES.txt dist/parts/

# --snapshot builds all of it and publishes nothing; the workflow of a release takes it away.
RELEASE ?= --snapshot

.PHONY: release
release: $(GORELEASER) $(CYCLONEDX) $(GO_LICENSES) $(HELM) ## dist/release and dist/parts: binaries, images, chart, SBOMs, licences, checksums
	$(TOOLS)/bin/goreleaser release --clean $(RELEASE)

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
tools: $(MINIO) $(VERSITYGW) $(ALERTMANAGER) $(PROMTOOL) $(HELM) $(MC) $(GOLANGCI_LINT) $(GO_LICENSES) ## install what tests and checks need into .tools

.PHONY: clean
clean: ## remove what was built, and the tools
	rm -rf $(BIN) $(TOOLS) dist bench.txt
