# Every target sets up what it needs: Python 3.11+ and make are enough.
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
# As many tests at a time as the machine has room for (tests/tools/busy_machine.py). Whoever has nothing left takes over
# from the others.
JOBS ?= auto
SPREAD := -n $(JOBS) --dist worksteal
BENCHMARKS := start_up requests api_server page_nginx article switch_time growth
LOCK := --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url

# A caller's PYTHONPATH, PYTEST_ADDOPTS, locale, … would change the Python, the pytest and the pip that run here; of pip's
# settings, those stay which say where packages come from. What reaches the jobs, Helm and the tests is decided in
# maintenance_ci/rehearsal/workplace.py and tests/tools/clean_environment.py: nothing of the caller's.
SOURCES := INDEX_URL EXTRA_INDEX_URL NO_INDEX FIND_LINKS TRUSTED_HOST CERT CLIENT_CERT PROXY KEYRING_PROVIDER CONFIG_FILE \
	CACHE_DIR DEFAULT_TIMEOUT TIMEOUT RETRIES
unexport $(filter-out PYTHON $(SOURCES:%=PIP_%),$(filter PYTHON% PYTEST_% PIP_%,$(.VARIABLES)))
export PYTHONUTF8 := 1
export LC_ALL := C.UTF-8
export PIP_USER := 0

.PHONY: help setup rehearse test test-slow test-all bench lint format lock clean

help:            ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/'

setup: $(VENV)/installed  ## make .venv with everything pinned in requirements.lock

$(VENV)/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

rehearse: setup  ## put a Route into maintenance and out again on this machine; ARGS="--subpath /shop"
	$(BIN)/maintenance-ci rehearse $(ARGS)

test: setup      ## run the tests that take under six minutes
	$(BIN)/pytest $(SPREAD) -m "not slow" $(ARGS)

test-slow: setup ## run the tests that `make test` leaves out
	$(BIN)/pytest $(SPREAD) -m slow $(ARGS)

test-all: setup  ## run all tests
	$(BIN)/pytest $(SPREAD) $(ARGS)

bench: setup     ## measure all that is counted in seconds, and the jobs beside the article's; the results: benchmarks/RESULTS.md
	for one in $(BENCHMARKS); do $(BIN)/python -m benchmarks.$$one --markdown benchmarks/RESULTS.md || exit; done

lint: setup      ## ruff, mypy --strict, import-linter
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: setup    ## let ruff correct what it can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lock:            ## write both lock files anew from pyproject.toml (needs uv)
	uv pip compile $(LOCK) --all-extras --output-file requirements.lock pyproject.toml
	uv pip compile $(LOCK) --extra build --output-file requirements-jobs.lock pyproject.toml

clean:           ## remove what the other targets made
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis rehearsal.png
