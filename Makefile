# The front door. Every verb does one thing, and is the same on a laptop and in CI.

# What the simulation is asked for.
SIM_ASKED = $(if $(TABLES),--tables $(TABLES)) $(if $(SEED),--seed $(SEED),--seeds $(or $(SEEDS),100000))

# How long the soak is: ten minutes, so many seconds, or an hour.
SOAK_ASKED = $(if $(QUICK),--quick) $(if $(SECONDS),--seconds $(SECONDS)) $(if $(SEED),--seed $(SEED))

# Where `make install` installs, and which build of latchkey.
PREFIX ?= /usr/local
PROFILE ?= release

# NATIVE=1: with the native module in place of the Wasm filter.
LATCHKEY_SHELL ?= wasm
export LATCHKEY_SHELL := $(if $(NATIVE),module,$(LATCHKEY_SHELL))

# ENVOY_VERSION=1.40.0: with that Envoy of tools/envoy.txt in place of the first there.
ifdef ENVOY_VERSION
export ENVOY_PATH := $(CURDIR)/.tools/envoy-$(ENVOY_VERSION)
endif

.DEFAULT_GOAL := help
.PHONY: help build install installable demo run test compatibility crash rights sim fuzz soak hostile scan rest-tests bench lint fmt clean tools clients browser checkers screenshots release

help: ## Show the verbs.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile
	@echo '  With all that use an Envoy: ENVOY_VERSION=1.40.0, one of tools/envoy.txt.'

build: tools ## Build the filter (target/latchkey-filter.wasm, target/liblatchkey_filter.so), the key service and the local stack.
	@tools/build-filter
	@tools/build-module
	@cargo build --workspace --bins
	@echo 'build: target/latchkey-filter.wasm, target/liblatchkey_filter.so, target/debug/latchkey'

install: $(if $(FROM),,installable) ## Install latchkey and the filter for both shells, all built for speed, below PREFIX (/usr/local); FROM=: what a release publishes, from that directory.
	@$(if $(FROM),tools/install-release '$(FROM)' '$(DESTDIR)$(PREFIX)',tools/install-below '$(DESTDIR)$(PREFIX)' 'target/$(PROFILE)/latchkey' target/latchkey-filter.wasm target/liblatchkey_filter.so)

installable: tools
	@tools/build-filter
	@tools/build-module
	@cargo build --release -p latchkey-key-service

demo: build ## Tell the story of a key with real requests through a real Envoy (NATIVE=1: with the native module).
	@target/debug/local-stack demo

run: build ## Keep Envoy, the key service and an upstream up until Ctrl-C, with a key to try (NATIVE=1 as above).
	@target/debug/local-stack run

test: build clients browser checkers ## Run all tests, the ones on a real Envoy included, and the most important of those on the oldest and the newest Envoy too.
	@tools/bring-postgres
	@cargo test --workspace
	@LATCHKEY_SHELL=module cargo test -p latchkey-filter --test edge
	@tools/compatibility --ends
	@target/debug/local-stack postgres cargo test -p latchkey-key-service --lib -- store:: feed::
	@target/debug/local-stack postgres cargo test -p latchkey-key-service --test api
	@echo 'test: everything held'

compatibility: build ## Run the most important tests on every Envoy of tools/envoy.txt with both shells of the filter, and print the table of docs/compatibility.md. Takes minutes.
	@tools/compatibility

crash: ## Kill the key service under load three hundred times, let its databases fail, and look whether anything is lost. Takes minutes.
	@tools/bring-postgres
	@LATCHKEY_TEST_CRASHES=300 cargo test -p latchkey-key-service --test api -- --nocapture process::crash:: process::database_faults::

rights: ## Ask a million keys what they may do, as the service and as an edge. Takes minutes.
	@LATCHKEY_TEST_RIGHTS=1000000 cargo test -p latchkey-privileges rights::

sim: ## Run a simulated fleet from a hundred thousand seeds (SEEDS=: so many, SEED=: one of them, TABLES=pages or memory, GUARDS=1: without each guard). Takes minutes.
	@$(if $(GUARDS),tools/sim-guards,cargo run --quiet --profile sim -p latchkey-sim -- $(SIM_ASKED))

fuzz: ## Fuzz every reader of foreign bytes, ten million inputs each (FUZZ=: one, RUNS=: so many, INPUT=: a file). Takes hours.
	@tools/fuzz

soak: build ## Ask and change keys for an hour while everything restarts, and check each answer (QUICK=1: ten minutes, SECONDS=: so many, NATIVE=1).
	@target/debug/soak $(SOAK_ASKED)

hostile: build ## Send hostile requests to both shells of the filter (REQUESTS=: so many, a hundred thousand; SEED=: which). Takes minutes.
	@for shell in wasm module; do \
	  LATCHKEY_SHELL=$$shell LATCHKEY_TEST_REQUESTS=$(or $(REQUESTS),100000) LATCHKEY_TEST_SEED=$(or $(SEED),1) \
	    cargo test -p latchkey-filter --test edge -- --nocapture hostile:: || exit 1; \
	done

scan: build clients ## Let schemathesis scan the key service as a super-user, as a user who may do little and as nobody (SECONDS=: so long, five minutes).
	@LATCHKEY_TEST_SCAN_SECONDS=$(or $(SECONDS),300) cargo test -p latchkey-key-service --test clients -- --nocapture scan::

rest-tests: build clients ## Run Elasticsearch's own REST tests on keys, users, roles and tokens (ES=: a clone of elastic/elasticsearch or of its clients' tests; ONLY=: a word of their names).
	@tools/rest-tests '$(ES)' '$(ONLY)'

bench: tools ## Measure everything beside its peers (QUICK=1: in three minutes, BENCH='--only accepted': one section). Tables here, results and charts in target/bench.
	@tools/bring-load-generators
	@tools/bring-postgres
	@tools/build-filter
	@tools/build-module
	@tools/build-peer-filters
	@cargo build --release -p latchkey-key-service -p latchkey-benches
	@LATCHKEY_PATH=target/release/latchkey target/release/bench $(if $(QUICK),--quick) $(BENCH)

screenshots: build browser ## Make the pictures of the console in docs/console anew. A check of `make lint` fails when the pages have changed since.
	@LATCHKEY_TEST_SCREENSHOTS=docs/console cargo test --quiet --test console screenshots::
	@sha256sum crates/console/assets/* crates/console/templates/* > docs/console/screenshots.txt
	@echo 'screenshots: docs/console'

lint: tools ## Check format, clippy (native and wasm), documentation, dependencies, house rules.
	@tools/bring-cargo-deny
	@cargo fmt --all --check
	@cargo fmt --manifest-path fuzz/Cargo.toml -- --check
	@cargo fmt --manifest-path tools/clients/rust/Cargo.toml -- --check
	@cargo clippy --workspace --all-targets --quiet -- -D warnings
	@tools/filter-cargo clippy --quiet -p latchkey-filter -p latchkey-empty-filter -p latchkey-calls-filter -p latchkey-privileges --lib -- -D warnings
	@RUSTDOCFLAGS='-D warnings -A rustdoc::private-intra-doc-links' cargo doc --workspace --no-deps --document-private-items --quiet
	@tools/check-dependencies
	@cargo test --quiet --test house
	@echo 'lint: clean'

release: ## Build what a release publishes (filter, key service, images, bill of materials), install it, and check all of it. Takes half an hour and more.
	@tools/release

fmt: ## Format all code.
	@cargo fmt --all
	@cargo fmt --manifest-path fuzz/Cargo.toml
	@cargo fmt --manifest-path tools/clients/rust/Cargo.toml

clean: ## Remove everything that was built; .tools stays.
	@cargo clean

tools: ## Bring what is missing: the wasm target and an Envoy. Silent when nothing is.
	@tools/bring

clients: ## Bring Elasticsearch's own clients and schemathesis, which tests drive. Silent when they are there.
	@tools/bring-clients

browser: ## Bring Chromium, Playwright and axe, by which tests look at the console. Silent when they are there.
	@tools/bring-browser

checkers: ## Bring kubectl, promtool and systemd-analyze, with which the tests check deploy/. Silent when they are there.
	@tools/bring-checkers
