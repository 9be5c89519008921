# Everything that is done more than once has a name here. `make` alone lists the names.
.DEFAULT_GOAL := help
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X github.com/astro-ci/astro-ci/internal/version.Number=$(VERSION)
# Without inlining the binary is a tenth smaller; what takes time here is the network.
GCFLAGS := all=-l
FUZZ ?= 50000

.PHONY: help
help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1	/p' $(MAKEFILE_LIST) | expand -t 12

.PHONY: try
try: ## open the wizard in the sandbox
	go run ./cmd/astro-ci --sandbox

.PHONY: build
build: ## build ./astro-ci
	CGO_ENABLED=0 go build -trimpath -gcflags '$(GCFLAGS)' -ldflags '$(LDFLAGS)' -o astro-ci ./cmd/astro-ci

.PHONY: test
test: ## run the tests; ASTRO_CI_CONTRACTS=folder adds the contract tests
	go test ./...

.PHONY: race
race: ## run the tests with the race detector
	go test -race -shuffle=on ./...

.PHONY: lint
lint: ## run the linters
	gofumpt -l . && go vet ./... && golangci-lint run ./...

.PHONY: golden
golden: ## write the golden files anew; look at the difference before you commit it
	go test ./internal/ui/line ./internal/ui/report ./internal/ui/tui ./internal/providers/github -update

# Inputs are counted, not seconds: at the end of its time Go 1.26's fuzzing reports the deadline itself as a
# failure now and then (golang.org/issue/75804), and a slow machine would try less.
.PHONY: fuzz
fuzz: ## run every fuzz test with FUZZ inputs
	@set -e; for pkg in $$(go list ./...); do \
		for f in $$(go test -list '^Fuzz' $$pkg | grep '^Fuzz' || true); do \
			echo "$$pkg $$f"; out=$$(go test -run '^$$' -fuzz "^$$f$$" -fuzztime $(FUZZ)x -fuzzminimizetime 100x $$pkg 2>&1) || { echo "$$out"; exit 1; }; \
		done; \
	done

PART ?= 15000
HISTORIES ?= 2000
EVERY ?= 1
SETUPS ?= 1000

# figure runs tests and shows the lines that fit a pattern; when one fails, everything.
figure = @out=$$(go test $(1) -count=1 -v 2>&1) || { echo "$$out"; exit 1; }; echo "$$out" | grep -E '$(2)'

.PHONY: model
model: ## go through the states of the rotation protocol; PART states of each large world
	go test ./internal/rotation -run '^TestModel$$' -count=1 -v -timeout 40m -part $(PART)

.PHONY: mutants
mutants: ## show that the model finds the faults that the protocol could have
	go test ./internal/rotation -run '^TestMutants$$' -count=1 -v | grep -c '^    --- PASS'

.PHONY: simulate
simulate: ## set up and rotate HISTORIES times in bad weather, over the real clients and the strict servers
	$(call figure,./internal/rotation -run ^TestSimulation$$ -timeout 40m -histories $(HISTORIES),histories;)

.PHONY: limits
limits: ## set up side by side on an Astro and a GitHub that hold to their limits; SETUPS of them in bad weather
	$(call figure,./internal/rotation -run ^TestLimits,^[0-9]+ side by side)
	$(call figure,./internal/cli -run ^TestThousand$$ -setups $(SETUPS),^[0-9]+ setups)

.PHONY: kill
kill: ## kill the real program before and after every request and record, and let its disk fail; EVERY nth point
	$(call figure,./internal/cli -run "^(TestKilledAtEveryPoint|TestTheDiskFails)$$" -timeout 60m -every $(EVERY),^(killed|[0-9]+ times))

EVENTS ?= 100000

.PHONY: hammer
hammer: ## send EVENTS random keys, pastes and sizes to every screen
	go test ./internal/ui/tui -run '^TestRandomKeys$$' -count=1 -timeout 30m -events $(EVENTS)

.PHONY: bench
bench: ## run the benchmarks; only their ratios within one run mean something
	go test -run '^$$' -bench . -benchtime 1s ./internal/ui/tui
	go test -run '^$$' -bench . -skip '^BenchmarkSetup$$' -benchtime 30x ./internal/cli

.PHONY: bench-peers
bench-peers: peers ## compare a set-up with the commands of gh and the astro CLI
	PATH="$(PEERS):$$PATH" go test -run '^$$' -bench '^BenchmarkSetup$$' -benchtime 20x ./internal/cli

PEERS := $(CURDIR)/.ci/tools/peers
GH := v2.83.0

# The version of gh stands in the name: another one is built anew. The astro CLI is no module that could be
# built like this.
.PHONY: peers
peers: ## build gh and look for the astro CLI, with which bench-peers compares
	@[ -x $(PEERS)/gh-$(GH) ] || { \
		dir=$$(go mod download -json github.com/cli/cli/v2@$(GH) | sed -n 's/^.*"Dir": "\(.*\)",$$/\1/p') && \
		nice -n 19 go -C "$$dir" build -p 1 -trimpath -ldflags '-s -w' -o $(PEERS)/gh-$(GH) ./cmd/gh; \
	}
	@ln -sf gh-$(GH) $(PEERS)/gh
	@PATH="$(PEERS):$$PATH"; command -v astro >/dev/null || { \
		echo "The astro CLI is missing. Put 1.43 or newer on the PATH or into $(PEERS): https://www.astronomer.io/docs/astro/cli/install-cli" >&2; exit 1; \
	}

.PHONY: dist
dist: ## build for every system into dist/
	@mkdir -p dist
	@set -e; for t in linux/amd64 linux/arm64 darwin/amd64 darwin/arm64 windows/amd64 windows/arm64; do \
		os=$${t%/*} arch=$${t#*/}; ext=; [ $$os = windows ] && ext=.exe; \
		echo "build $$t"; \
		CGO_ENABLED=0 GOOS=$$os GOARCH=$$arch go build -trimpath -gcflags '$(GCFLAGS)' -ldflags '$(LDFLAGS)' -o dist/astro-ci-$$os-$$arch$$ext ./cmd/astro-ci; \
	done
	@cd dist && sha256sum astro-ci-* > SHA256SUMS

.PHONY: man
man: ## write the manual pages into dist/man
	go run -ldflags '$(LDFLAGS)' ./cmd/astro-ci man dist/man

.PHONY: smoke
smoke: build ## run the built program once through, with an empty home folder
	sh scripts/smoke.sh ./astro-ci

.PHONY: pictures
pictures: ## draw the pictures in the README from the real program, and those of the other screens
	go test ./internal/cli ./internal/ui/tui -run TestPictures -update
