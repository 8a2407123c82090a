# Every target installs what it needs into .venv. `make help` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/stamps
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

.DEFAULT_GOAL := help

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | expand -t 16

# A missing or old Python, or one without venv, is told with the command that mends it.
$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	  echo 'error: Python 3.11 or later is needed (found: '"$$(command -v $(PYTHON) >/dev/null && $(PYTHON) --version || echo none)"')' >&2; \
	  echo 'hint: sudo apt install python3 python3-venv, or make PYTHON=/path/to/python3.12' >&2; exit 2; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo 'error: this Python has no venv module' >&2; \
	  echo 'hint: sudo apt install python3-venv' >&2; exit 2; }
	@echo 'making $(VENV) …'
	@$(PYTHON) -m venv $(VENV)

$(STAMPS)/daemon: pyproject.toml | $(VENV)/bin/python
	@mkdir -p $(STAMPS)
	@echo 'installing the daemon and the example …'
	@$(PIP) --upgrade 'pip>=25.1'
	@$(PIP) --editable '.[daemon]'
	@touch $@

$(STAMPS)/test: $(STAMPS)/daemon
	@echo 'installing what the tests need …'
	@$(PIP) --group test --group bench
	@touch $@

$(STAMPS)/fuzz: $(STAMPS)/test
	@echo 'installing the fuzzer …'
	@$(PIP) --group fuzz
	@touch $@

# An environment of its own: the generator wants an older protobuf than the daemon.
$(STAMPS)/codegen: pyproject.toml | $(VENV)/bin/python
	@mkdir -p $(STAMPS)
	@$(PYTHON) -m venv $(VENV)/codegen
	@$(VENV)/codegen/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(VENV)/codegen/bin/python -m pip install --quiet --disable-pip-version-check --group codegen
	@touch $@

# The Node client for the demo. Where it cannot be built, the demo says what it leaves out.
TYPESCRIPT := bindings/typescript
$(TYPESCRIPT)/dist: $(TYPESCRIPT)/package-lock.json $(wildcard $(TYPESCRIPT)/src/*.ts $(TYPESCRIPT)/src/otel/*.ts)
	@if command -v npm >/dev/null; then \
	  echo 'building the Node client …'; \
	  cd $(TYPESCRIPT) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null && \
	  npm run --silent build || echo 'the Node client was not built'; \
	fi; true

# The web page's source is TypeScript; what it makes is committed, so that nobody needs Node to install.
UI := daemon/ui
$(UI)/node_modules: $(UI)/package-lock.json
	@echo 'installing what the page is built with …'
	@cd $(UI) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: ui
ui: $(UI)/node_modules ## Build the web page into daemon/sidespand/web/static (needs Node 20.19 and npm)
	@cd $(UI) && npm run --silent check && npm run --silent build

.PHONY: pictures
pictures: $(STAMPS)/test $(TYPESCRIPT)/dist ## Make the pictures of the docs from what the demo records (needs chromium)
	@SIDESPAN_PICTURES=$(CURDIR)/docs/images $(BIN)/python -m pytest -q -m long tests/e2e/ui/test_pictures.py

.PHONY: demo
demo: $(STAMPS)/daemon $(TYPESCRIPT)/dist ## Run agents in three languages against a fresh daemon, and show what it recorded
	@$(BIN)/sidespan demo --data .sidespan

.PHONY: test
test: lint $(STAMPS)/codegen $(TYPESCRIPT)/dist $(STAMPS)/fuzz $(UI)/node_modules ## Lint, then run every test that fits in minutes
	@$(BIN)/python -m pytest -m 'not long' --durations=10

.PHONY: test-faults
test-faults: $(STAMPS)/test ## Run the tests of the fault catalogue (docs/faults.md) in their short form
	@$(BIN)/python -m pytest -m 'fault and not long' --durations=10

.PHONY: test-long
test-long: $(STAMPS)/test $(STAMPS)/codegen ## Run the tests that take longer; write what they counted to docs/results
	@$(BIN)/python -m pytest -m long -p tests.results --results docs/results

FUZZ_S ?= 120
.PHONY: fuzz
fuzz: $(STAMPS)/fuzz ## Fuzz each decoder for FUZZ_S seconds; what is new goes into tests/fuzz/corpus
	@mkdir -p .fuzz
	@for target in frames otlp_json tokens; do \
	  $(BIN)/python -m tests.fuzz.run $$target -max_total_time=$(FUZZ_S) -artifact_prefix=.fuzz/ || exit; \
	done

.PHONY: lint
lint: $(STAMPS)/test ## Check form, types and the import contracts
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

.PHONY: bench
bench: $(STAMPS)/test ## Measure ours and rotel side by side (needs h2load: apt install nghttp2-client)
	@$(BIN)/python -m tests.bench.peers

.PHONY: bench-peers
bench-peers: $(STAMPS)/test ## Measure ours, rotel and the OpenTelemetry Collector (ARGS=--quick, ARGS=--write; needs Go 1.26 and h2load)
	@$(BIN)/python -m tests.bench.collectors $(ARGS)

.PHONY: bench-losses
bench-losses: $(STAMPS)/test ## Kill each of them, cut its power, and count what was acked and is lost (ARGS=--write; needs root and Go 1.26)
	@$(BIN)/python -m tests.bench.losses $(ARGS)

.PHONY: bench-scale
bench-scale: $(STAMPS)/test ## Compare what a journal of 50 million spans costs with an empty one (ARGS=--write, ARGS='--spans N'; needs Go)
	@$(BIN)/python -m tests.bench.scale $(ARGS)

.PHONY: bench-clients
bench-clients: $(STAMPS)/test $(TYPESCRIPT)/dist ## Measure what the Python, Elixir and Node clients cost their programs
	@$(BIN)/python -m tests.bench.clients

.PHONY: proto
proto: $(STAMPS)/codegen ## Regenerate client/sidespan/v1 from proto/
	@$(VENV)/codegen/bin/python -m grpc_tools.protoc -Iproto --python_out=client --pyi_out=client proto/sidespan/v1/*.proto

.PHONY: wheel
wheel: $(STAMPS)/test ## Build the wheel and the source archive into dist/
	@$(BIN)/python -m build --no-isolation --outdir dist .

$(STAMPS)/release: $(STAMPS)/test
	@$(PIP) --group release
	@touch $@

.PHONY: reference
reference: $(STAMPS)/test ## Write docs/configuration.md, and the table of metrics in docs/operations.md
	@$(BIN)/python -m tests.configuration
	@$(BIN)/python -m tests.metrics

.PHONY: locks
locks: $(STAMPS)/release ## Pin what a release installs to the newest versions, with their hashes
	@$(BIN)/uv pip compile pyproject.toml --extra daemon --extra nats --universal --python-version 3.11 \
	  --generate-hashes --no-emit-index-url --custom-compile-command 'make locks' --upgrade --quiet \
	  --output-file requirements/daemon.txt

.PHONY: notices
notices: $(STAMPS)/release ## Write THIRD_PARTY_NOTICES.md
	@$(PIP) --require-hashes --requirement requirements/daemon.txt
	@cd daemon/ui && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	@$(BIN)/python -m release.notices

.PHONY: release
release: wheel $(STAMPS)/release ## Build what is published into dist/: wheel, source, SBOMs, checksums
	@$(BIN)/cyclonedx-py requirements requirements/daemon.txt --pyproject pyproject.toml \
	  --output-reproducible --of JSON --output-file dist/sidespan-daemon.cdx.json
	@cd daemon/ui && npm sbom --package-lock-only --omit dev --sbom-format cyclonedx >../../dist/sidespan-ui.cdx.json
	@cp requirements/daemon.txt dist/sidespan-daemon-requirements.txt
	@cd dist && sha256sum *.whl *.tar.gz *.json *.txt >SHA256SUMS

.PHONY: clean
clean: ## Remove what make made, but no store
	@rm -rf $(VENV) dist build .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis .fuzz
