# Everything CareLedger needs to be built, tried and tested, with Python, make and a network.
#
#   make demo      four organisations on this machine; DATA=folder takes Synthea bundles, DEMO_EXIT=1 ends after the story,
#                  ENGINE=cometbft gives each of them a node of its own
#   make test      every test, and a seeded slice of the long runs
#   make check     style, types, layers, documentation
#   make soak      the long fault and fuzz runs; SOAK=minutes SEED=number
#   make bench     every performance goal, as a ratio
#   make help      all targets

SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

VENV := .venv
BIN := $(VENV)/bin
UV := .tools/uv/bin/uv
STAMPS := .tools/stamps
COMPILE = $(UV) pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-annotate --no-header

# What a caller may set. The programs read no environment variables: these become flags here.
DATA ?=
DEMO_EXIT ?=
ENGINE ?=
JOBS ?= 2
SOAK ?= 10
SEED ?=
TESTS ?=

.PHONY: help setup interop browser clients pythons engine demo test soak check bench models lock format clean

help: ## this list
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 10

# --- set-up ------------------------------------------------------------------------------------

setup: $(STAMPS)/project $(STAMPS)/interop $(STAMPS)/tlog $(STAMPS)/clients $(STAMPS)/pythons $(STAMPS)/browser ## the tools and libraries, exactly as locked, in .tools and .venv
	@$(MAKE) engine || echo "set-up: the engine cannot be built here, so tests with validators will be skipped; \`make engine\` tries again"

$(STAMPS)/uv: requirements/bootstrap.lock tools/bootstrap
	@echo "set-up: uv into .tools"
	@tools/bootstrap
	@touch $@

$(STAMPS)/locked: requirements/dev.lock $(STAMPS)/uv
	@echo "set-up: locked libraries into $(VENV)"
	@test -x $(BIN)/python || $(UV) venv --quiet --clear --no-python-downloads --python .tools/uv/bin/python $(VENV)
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes requirements/dev.lock
	@touch $@

# Editable, so the code is used where it stands; its libraries come from the lock alone.
$(STAMPS)/project: pyproject.toml $(STAMPS)/locked
	@$(UV) pip install --quiet --python $(BIN)/python --offline --no-deps --no-build-isolation --editable .
	@touch $@

# Implementations that nobody here wrote, for tests/interop. Without npm those tests skip and say so.
interop: $(STAMPS)/interop
$(STAMPS)/interop: tests/interop/package.json tests/interop/package-lock.json | $(STAMPS)/uv
	@if command -v npm >/dev/null 2>&1; then \
	    echo "set-up: cross-checks into tests/interop"; \
	    npm ci --prefix tests/interop --ignore-scripts --no-audit --no-fund --loglevel=error \
	        --update-notifier=false >/dev/null; \
	else \
	    echo "set-up: npm is not here, so the cross-checks in tests/interop will be skipped"; \
	fi
	@touch $@

# The same for the log: Go's own reader of such tiles and notes. Without Go that test skips and says so.
interop: $(STAMPS)/tlog
$(STAMPS)/tlog: tests/interop/tlog/main.go tests/interop/tlog/go.mod tests/interop/tlog/go.sum | $(STAMPS)/uv
	@if command -v go >/dev/null 2>&1; then \
	    echo "set-up: Go's reader of log tiles into .tools"; \
	    cd tests/interop/tlog && GOPATH="$(CURDIR)/.tools/go" GOCACHE="$(CURDIR)/.tools/go/cache" \
	        GOFLAGS="-mod=readonly -modcacherw" GOTOOLCHAIN=local go build -o "$(CURDIR)/.tools/tlog-check" . \
	        || echo "set-up: it cannot be built here, so its test will be skipped"; \
	else \
	    echo "set-up: Go is not here, so its test of the log's tiles will be skipped"; \
	fi
	@touch $@

# A browser for tests/browser, out of what npm brought. Without one those tests skip and say so.
browser: $(STAMPS)/browser
$(STAMPS)/browser: tools/browser $(STAMPS)/interop
	@echo "set-up: a browser into .tools/chromium"
	@tools/browser
	@touch $@

# FHIR clients that nobody here wrote, for tests/clients: what they lean on is none of ours.
clients: $(STAMPS)/clients
$(STAMPS)/clients: requirements/clients.lock | $(STAMPS)/uv
	@echo "set-up: FHIR clients into .tools/clients"
	@test -x .tools/clients/bin/python || $(UV) venv --quiet --clear --no-python-downloads --python .tools/uv/bin/python .tools/clients
	@$(UV) pip sync --quiet --python .tools/clients/bin/python --require-hashes requirements/clients.lock
	@touch $@

# The other Pythons that this machine has, for tests/determinism. Those it lacks are skipped and said.
pythons: $(STAMPS)/pythons
$(STAMPS)/pythons: requirements/runtime.lock tools/pythons $(STAMPS)/locked
	@echo "set-up: other Pythons into .tools/pythons"
	@tools/pythons
	@touch $@

# The consensus engine that other networks run as well. Only networks of several nodes need it.
engine: $(STAMPS)/engine ## CometBFT, at the version and hashes in tools/engine, in .tools/bin
	@:
$(STAMPS)/engine: tools/engine/install tools/engine/go.mod tools/engine/go.sum requirements/engine.lock | $(STAMPS)/uv
	@tools/engine/install
	@touch $@

# --- use ---------------------------------------------------------------------------------------

demo: $(STAMPS)/project $(if $(filter cometbft,$(ENGINE)),$(STAMPS)/engine) ## the story of Ana, Ben and Dr Cho; DATA=folder, DEMO_EXIT=1, ENGINE=cometbft
	@exec $(BIN)/careledger demo $(if $(ENGINE),--engine "$(ENGINE)") $(if $(DATA),--data "$(DATA)") \
	    $(if $(filter-out 0,$(DEMO_EXIT)),--exit)

test: setup ## every test; TESTS=path for some, JOBS=n processes
	@exec $(BIN)/python -m pytest -n $(JOBS) $(TESTS)

soak: setup ## the long runs; SOAK=minutes for each, SEED=number (printed, so that a run can be repeated)
	@seed=$(or $(SEED),$$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')); \
	echo "soak: SOAK=$(SOAK) SEED=$$seed"; \
	exec $(BIN)/python -m pytest -m "soak or hypothesis" --durations=0 --soak-minutes $(SOAK) \
	    --seed $$seed --hypothesis-seed $$seed --hypothesis-profile soak \
	    -o faulthandler_timeout=$$(( $(SOAK) * 60 + 900 )) $(TESTS)

check: $(STAMPS)/project ## style, types, layers, documentation, help texts; all are run, then the verdict
	@exec $(BIN)/python tools/check.py

format: $(STAMPS)/project ## lay the code out as `make check` wants it
	@$(BIN)/ruff format
	@$(BIN)/ruff check --fix-only --quiet

bench: $(STAMPS)/project ## every performance goal: a ratio measured in one run
	@for file in bench/bench_*.py; do \
	    name=$$(basename "$$file" .py); echo "== $$name"; $(BIN)/python -m "bench.$$name" || exit; \
	done

models: $(STAMPS)/project ## the FHIR R4 models, generated again from the official definitions
	@$(BIN)/python -m tools.generate_fhir_models
	@$(BIN)/python -m tools.generate_us_core_parameters
	@exec $(BIN)/python -m tools.generate_fhir_profiles

lock: $(STAMPS)/uv ## the locked requirements, compiled again with today's versions
	$(COMPILE) --upgrade requirements/bootstrap.in --output-file requirements/bootstrap.lock
	$(COMPILE) --upgrade pyproject.toml --output-file requirements/runtime.lock
	$(COMPILE) --upgrade pyproject.toml requirements/dev.in --constraint requirements/runtime.lock --output-file requirements/dev.lock
	$(COMPILE) --upgrade requirements/clients.in --output-file requirements/clients.lock
	$(COMPILE) --upgrade requirements/engine.in --output-file requirements/engine.lock

clean: ## everything that make made
	rm -rf .venv .tools site .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache tests/interop/node_modules
	find src tests tools bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
