# Every developer command. `make help` lists them.
SHELL := /bin/sh
PYTHON ?= python3
# Another Python has an environment of its own: make test PYTHON=python3.12
VENV ?= $(if $(filter python3,$(PYTHON)),.venv,.venv-$(notdir $(PYTHON)))
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -q
NODE := $(BIN)/python tools/node.py
WEB_SOURCES := $(shell find web -path web/node_modules -prune -o -type f -print 2>/dev/null)

.PHONY: help setup demo run test test-scaled check bench soak docs clean lock format

help: ## List the commands
	@grep -hE '^[a-z-]+:.*## ' Makefile | sed 's/:.*## /\t/' | expand -t 10

$(VENV)/.made: requirements/dev.txt requirements/samples.txt pyproject.toml tools/needs.sh
	@PYTHON="$(PYTHON)" tools/needs.sh run
	@$(PYTHON) -c 'import sys; assert (3, 11) <= sys.version_info < (3, 14), "Filmless needs Python 3.11 to 3.13; this is " + sys.version + ". Say which one to use: make PYTHON=/usr/bin/python3.12"'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --require-hashes -r requirements/dev.txt
	$(PIP) install --require-hashes --no-deps -r requirements/samples.txt
	$(BIN)/python tools/node.py --which >/dev/null 2>&1 || $(PIP) install --require-hashes -r requirements/node.txt
	$(PIP) install --no-deps --no-build-isolation -e .
	@touch $@

web/node_modules/.made: web/package-lock.json $(VENV)/.made
	$(NODE) npm ci --no-audit --no-fund --loglevel=error
	@touch $@

src/filmless/screen/index.html: web/node_modules/.made $(WEB_SOURCES)
	$(NODE) npm run --silent build
	$(BIN)/python tools/compress_screen.py
	@touch $@

setup: $(VENV)/.made src/filmless/screen/index.html ## Set up everything: .venv/bin/filmless and the built screen

demo: setup ## Start Filmless with sample studies; prints the address and a sign-in
	$(BIN)/filmless demo

run: setup ## Start Filmless on ./filmless-data
	$(BIN)/filmless serve

check: setup ## Lint, formatting, types, imports (Python and TypeScript)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(NODE) npm run --silent check

test: setup ## Set up everything and run all tests
	@PYTHON="$(PYTHON)" tools/needs.sh test
	$(MAKE) check
	$(NODE) npm run --silent test
	$(BIN)/python -m pytest -n 2 --dist loadgroup -m 'not soak' tests

test-scaled: setup ## Run every test that takes an archive on PostgreSQL and S3
	FILMLESS_TEST_SHAPE=scaled $(BIN)/python -m pytest -n 2 --dist loadgroup -m 'not soak' tests

bench: setup ## Filmless, Orthanc and OHIF side by side (installs nothing; needs Debian's orthanc, orthanc-dicomweb, nginx-light)
	$(BIN)/python benchmarks/dicom_json.py
	$(BIN)/python benchmarks/store.py
	$(BIN)/python benchmarks/web.py
	$(BIN)/python benchmarks/large.py
	$(BIN)/python benchmarks/responsive.py
	$(BIN)/python benchmarks/renditions.py
	$(BIN)/python benchmarks/opening.py
	$(BIN)/python benchmarks/memory.py
	$(BIN)/python benchmarks/store.py --scaled
	$(BIN)/python benchmarks/web.py --scaled
	$(BIN)/python benchmarks/responsive.py --scaled
	$(BIN)/python benchmarks/sizing.py
	$(BIN)/python benchmarks/sizing.py --scaled
	$(BIN)/python benchmarks/scale.py --largest 1000000

soak: setup ## An hour of load, kills and fuzzing, then every invariant (FILMLESS_SOAK_MINUTES=60)
	$(BIN)/python -m pytest -m soak -s tests

docs: setup ## Write docs/openapi.json and the web client's types from the code
	$(BIN)/filmless openapi > docs/openapi.json
	$(NODE) npm run --silent api:types

format: setup ## Format all sources
	$(BIN)/ruff check --fix -q .
	$(BIN)/ruff format -q .
	$(NODE) npm run --silent format

lock: ## Renew requirements/*.txt (needs uv)
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 --extra dev --extra demo pyproject.toml -o requirements/dev.txt
	uv pip compile -q --universal --generate-hashes --no-header --no-annotate --python-version 3.11 -c requirements/dev.txt pyproject.toml -o requirements/base.txt

clean: ## Remove what the commands made (not your data)
	rm -rf .venv .venv-* web/node_modules src/filmless/screen dist build .mypy_cache .ruff_cache .pytest_cache .hypothesis test-results
	find src tests tools benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true
