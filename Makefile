# What a developer types. Each target sets up what it needs; nothing but Python 3.11+, pip, venv and make is expected.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# What `make test` leaves out: these need a program that pip does not bring, or minutes.
HEAVY := services or slow

# Tests start processes, and each would compile all it imports again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup setup-test setup-all demo test test-heavy test-all simulate lint check format docs words vega lock clean

help:
	@echo "make demo        set up, start the pages, load a CRM (the sandbox, unless CRM_BASE_URL is set), show its KPIs"
	@echo "                 (ONCE=1 ends after the KPIs; UI_PORT=3001 DASHBOARDS_PORT=8081 SANDBOX_PORT=8801 choose ports)"
	@echo "make test        set up and run the tests that need nothing but pip"
	@echo "make test-heavy  the others; needs Chromium, and fetches ClickHouse's engine (534 MB)"
	@echo "make test-all    both"
	@echo "make simulate    the crawl under kills and faults on a virtual clock (SEEDS=20; CI runs 100)"
	@echo "make check       format, lint, types, tests (make lint: without the tests)"
	@echo "make format      let ruff format and fix"
	@echo "make docs        write anew the documents that follow from the code"
	@echo "make words       bring every language up to the words of the code (NEW=de begins another)"
	@echo "make vega        fetch the bundled chart library anew (needs npm)"
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

$(VENV)/all.stamp: requirements-all.lock $(VENV)/test.stamp
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements-all.lock
	@touch $@

setup: $(VENV)/runtime.stamp

setup-test: $(VENV)/test.stamp

setup-all: $(VENV)/all.stamp

demo: setup
	@$(BIN)/crm demo $(if $(ONCE),--once) $(if $(UI_PORT),--port $(UI_PORT)) \
		$(if $(DASHBOARDS_PORT),--dashboards-port $(DASHBOARDS_PORT)) $(if $(SANDBOX_PORT),--sandbox-port $(SANDBOX_PORT))

test: setup-test
	$(BIN)/pytest -n auto --dist loadfile -m "not ($(HEAVY))" --tell-left-out

test-heavy: setup-all
	$(BIN)/pytest -n auto --dist loadfile -m "$(HEAVY)"

test-all: test test-heavy

simulate: setup-test
	$(BIN)/python -m crm_platform_tests.simulation --seeds $(or $(SEEDS),20) --jobs 2

lint: setup-test
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy

check: lint test

format: setup-test
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

docs: setup
	$(BIN)/python -m crm_platform.publish.dictionary
	$(BIN)/python -m crm_platform.api.postman
	$(BIN)/python -m crm_platform.serving.documents

words: setup
	$(BIN)/python tools/words.py $(NEW)

# The published builds, as they are but for two edits: the interpreter finds Vega's helpers where vega.min.js leaves them,
# because a browser cannot look up a package by its name; and no file points at a source map that is not here.
VEGA := crm_platform/serving/static/vega
PACKED := tmp-vega
vega:
	rm -rf $(PACKED) && mkdir $(PACKED)
	cd $(PACKED) && npm pack --silent vega@6.4.0 vega-lite@6.5.0 vega-interpreter@2.3.2
	cd $(PACKED) && for file in *.tgz; do mkdir $${file%-*} && tar -xzf $$file -C $${file%-*}; done
	cp $(PACKED)/vega/package/build/vega.min.js $(PACKED)/vega-lite/package/build/vega-lite.min.js $(VEGA)/
	sed '1s/^import \(.*\) from .vega-util.;$$/const \1 = globalThis.vega;/' \
		$(PACKED)/vega-interpreter/package/build/vega-interpreter.js > $(VEGA)/vega-interpreter.js
	sed -i '/^\/\/# sourceMappingURL=/d' $(VEGA)/*.js
	cp $(PACKED)/vega/package/LICENSE $(VEGA)/LICENSE-vega.txt
	cp $(PACKED)/vega-lite/package/LICENSE $(VEGA)/LICENSE-vega-lite.txt
	cp $(PACKED)/vega-interpreter/package/LICENSE $(VEGA)/LICENSE-vega-interpreter.txt
	cd $(VEGA) && sha256sum *.js *.txt > SHA256SUMS
	rm -r $(PACKED)

UV_COMPILE := uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate

lock:
	$(UV_COMPILE) --extra build pyproject.toml -o requirements.lock
	$(UV_COMPILE) --extra build --extra test -c requirements.lock pyproject.toml -o requirements-test.lock
	$(UV_COMPILE) --extra build --extra test --extra services --extra notebook -c requirements-test.lock pyproject.toml -o requirements-all.lock

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
