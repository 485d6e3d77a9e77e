# bkp: everything that is done with this repository, in one screen.

GOLANGCI_LINT = v2.15.0
GOVULNCHECK   = v1.9.0
NFPM          = v2.43.4
SBOM          = v1.10.0
DIST         ?= dist
TIMEOUT      ?= 1h
SOAK_RUNS    ?= 100
TORTURE      ?= 20
FUZZTIME     ?= 30s
WITH_BEDS     = ./internal/lab/vm ./providers/home/mirror ./providers/home/rsync ./providers/archive/place/s3 ./providers/archive/tar ./providers/archive/restic ./providers/home/lvm ./providers/home/zfs ./providers/elasticsearch ./internal/ui/report ./internal/engine/figures ./internal/lab/systemd ./internal/dist ./cmd/bkp

.PHONY: build demo deps dist docs test windows beds test-beds lint race vuln fuzz bench soak torture cross fmt clean

build:    ## bkp and the sandbox, into bin/
	go build -o bin/ ./cmd/...

demo: build    ## a backup and a restore of a sandbox under load; needs only go and git
	./examples/demo

deps:     ## what the tests need besides go and git
	@.ci/deps

dist: .tools/nfpm-$(NFPM) .tools/cyclonedx-gomod-$(SBOM)    ## tarballs, deb, rpm, checksums and lists of what is inside, into dist/; the times in them are the commit's. TARGETS=linux/amd64 makes those of one system
	go run ./internal/dist -out $(DIST) -nfpm .tools/nfpm-$(NFPM) -sbom .tools/cyclonedx-gomod-$(SBOM) -targets "$(TARGETS)"

test: deps    ## all tests; CI=true turns a missing tool into a failure
	go test -timeout $(TIMEOUT) ./...

windows:  ## the build for Windows, run under Wine; as root it installs what that needs, on Debian 12
	go run ./internal/lab/bed/prepare -lanes wine
	BKP_WINE=1 go test -count=1 -v -timeout $(TIMEOUT) -run '^TestWindows$$' ./cmd/bkp

beds: .tools/nfpm-$(NFPM) .tools/cyclonedx-gomod-$(SBOM)    ## guests with real LVM and ZFS, programs in pinned versions and search servers, made once, kept in ~/.cache/bkp-beds or $BKP_BEDS_CACHE; needs root on Debian 12
	go run ./internal/lab/bed/prepare

test-beds:    ## the tests that need them
	BKP_BEDS=1 go test -count=1 -p 1 -timeout $(TIMEOUT) -run '^Test(Guest|Bed)' $(WITH_BEDS)

docs:     ## docs/reference, from the schema that decodes and the grammar that parses
	go run ./internal/reference

lint: .tools/golangci-lint-$(GOLANGCI_LINT)    ## style, mistakes, and who may import whom
	$< run
	go mod tidy -diff

race:     ## the race detector over what runs at the same time as something else
	go test -race -timeout $(TIMEOUT) ./internal/engine/apply ./internal/bitbucket ./internal/event ./internal/engine/guardian ./internal/engine/remote ./internal/debuglog ./internal/records/journal \
		./internal/engine/recovery ./internal/lab/sandbox/... ./providers/home/...
	go test -race -timeout $(TIMEOUT) -run 'TestScript/(apply|verify)' ./cmd/bkp

vuln: .tools/govulncheck-$(GOVULNCHECK)    ## known vulnerabilities in what bkp is built from; needs the network
	@UNREACHABLE=$(UNREACHABLE) .ci/vuln $<

fuzz:     ## every fuzz test, FUZZTIME each
	@.ci/fuzz $(FUZZTIME)

bench: build    ## bkp beside the ways of today, as ratios in one run; see docs/performance.md
	go run ./internal/lab/bench $(BENCH)

soak: build    ## many backups in a row under load, each restored and proven consistent
	BKP_SOAK=$(SOAK_RUNS) go test -timeout 3h -count=1 -v -run TestSoak ./cmd/bkp

torture: build beds    ## every effect of a backup, a restore, a drill and recover disturbed, kills at random moments; false answers to every call; trouble at every phase; random changes of a tracked home; backups of home "rsync" under git and fast writers; every bit of a backup flipped; runs on LVM and ZFS killed at each step
	go run ./internal/lab/torture $(TORTURE_FLAGS)
	go run ./internal/lab/torture/lies $(LIES_FLAGS)
	BKP_TROUBLE=all go test -timeout 1h -count=1 ./internal/lab/trouble
	BKP_TORTURE=1 go test -count=1 -run 'Verify|Rebuild' -v ./providers/archive/tar
	BKP_BEDS=1 go test -count=1 -p 1 -timeout 6h -run '^TestLong(Guest|Bed)' ./providers/home/mirror ./providers/home/lvm ./providers/home/zfs ./providers/archive/restic ./providers/database/postgresql ./internal/engine/remote ./cmd/bkp ./providers/archive/awssnapshots ./providers/home/awsebs ./internal/dist
	BKP_RSYNC_RUNS=$(SOAK_RUNS) go test -timeout 3h -count=1 -v -run TestRsyncRuns ./cmd/bkp
	BKP_TORTURE=$(TORTURE) go test -timeout 3h -count=1 -run Tracked ./providers/home/internal/treesync

cross:    ## the systems that bkp builds for
	GOOS=linux go vet ./... && GOOS=darwin go vet ./... && GOOS=windows go vet ./...

fmt:
	gofmt -w cmd internal lang providers

clean:
	rm -rf bin .tools demo dist

.tools/golangci-lint-%:
	GOBIN=$(CURDIR)/.tools go install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$*
	mv .tools/golangci-lint $@

.tools/govulncheck-%:
	GOBIN=$(CURDIR)/.tools go install golang.org/x/vuln/cmd/govulncheck@$*
	mv .tools/govulncheck $@

.tools/nfpm-%:
	GOBIN=$(CURDIR)/.tools go install github.com/goreleaser/nfpm/v2/cmd/nfpm@$*
	mv .tools/nfpm $@

.tools/cyclonedx-gomod-%:
	GOBIN=$(CURDIR)/.tools go install github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@$*
	mv .tools/cyclonedx-gomod $@
