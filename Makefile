# make demo: see it work.  make test: check it.  make help: the rest.
CARGO ?= cargo
WEB := $(wildcard web/src/*.ts) web/package.json web/package-lock.json

.PHONY: help demo build web test test-deps lint deny bench bench-quick bench-deps dashboards clean

help:
	@sed -n 's/^## //p' $(MAKEFILE_LIST)

## demo        build everything and start the demonstration (Ctrl-C ends it)
demo: web
	@echo "building plimsoll (the first time takes some minutes; what follows is cargo's own progress)"
	$(CARGO) build --profile demo --no-default-features
	$(CARGO) run --quiet --profile demo --no-default-features -- demo

## build       the release binary, target/release/plimsoll
build: web
	$(CARGO) build --release

## web         the browser script (npm, esbuild) into web/dist
web: web/dist/plimsoll.js

web/dist/plimsoll.js: $(WEB)
	@echo "building the browser script (npm ci, esbuild)"
	cd web && npm ci --silent --no-audit --no-fund && npm run --silent build

## test-deps   install the servers that the tests start (Debian's packages)
test-deps:
	scripts/install-test-deps

## test        install what the tests need, then run all of them
test: test-deps web
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
	  echo "$(CARGO) nextest run" && $(CARGO) nextest run; \
	else \
	  echo "$(CARGO) test (cargo-nextest is not installed)" && $(CARGO) test; \
	fi

## lint        formatting and clippy, warnings are errors
lint:
	$(CARGO) fmt --all --check
	$(CARGO) clippy --all-targets -- -D warnings

## deny        licences, banned crates and sources of all dependencies
deny:
	@$(CARGO) deny --version >/dev/null 2>&1 || { echo "installing cargo-deny" && $(CARGO) install cargo-deny --version 0.20.2 --locked; }
	$(CARGO) deny check bans licenses sources

## bench       measure beside the peers that are installed (docs/performance.md; ARGS='--only ingest --rounds 5')
bench: web bench-deps
	@echo "building the release binary (the first time takes some minutes), then measuring"
	$(CARGO) bench --bench compare -- $(ARGS)

## bench-quick the same with small sizes: whether it works, not what it costs
bench-quick: web bench-deps
	$(CARGO) bench --bench compare -- --quick $(ARGS)

bench-deps:
	scripts/install-test-deps victoria-metrics prometheus-statsd-exporter

## dashboards  write what export writes for the shipped objectives into dashboards/
dashboards:
	$(CARGO) run --quiet -- export dashboards --out dashboards

clean:
	$(CARGO) clean
	rm -rf web/dist web/node_modules
