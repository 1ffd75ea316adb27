# Needs Python >= 3.11 and make, nothing else. `make setup` builds .venv; every other target does so first.
PYTHON ?= python3
BIN := .venv/bin
UV := $(BIN)/uv
READY := .venv/ready
COMPILE := $(UV) pip compile --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate --no-header --universal --quiet

.PHONY: help setup demo quick test soak sim bench lint lock broker-lock docs clean
.DEFAULT_GOAL := help

help:  ## say what there is
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 14

setup: $(READY)  ## make .venv with everything in it, from the lock

demo: $(READY)  ## a year of real data, forecasts and corrections, then a running server (DEMO_ONCE=1 stops after it)
	$(BIN)/python -m varve.demo

quick: lint  ## lint, types, and the tests that need no broker; under a minute
	$(BIN)/python -m pytest -q tests/tidy tests/unit -m "not slow and not docker and not soak and not sim"

test: lint  ## everything but soak and sim
	$(BIN)/python -m pytest -n 2 --dist loadfile -m "not soak and not sim"

soak: $(READY)  ## the kill -9 tests again and again, and ten times as many drawn cases; takes long
	$(BIN)/python -m pytest -m soak --timeout 3600
	VARVE_TEST_CASES=10 $(BIN)/python -m pytest tests/stateful --timeout 3600

sim: $(READY)  ## many seeds of the simulation (SEEDS=1000 FIRST=1; SEEDS=1 FIRST=4711 is one history again)
	VARVE_SIM_SEEDS=$(or $(SEEDS),600) VARVE_SIM_FIRST=$(or $(FIRST),1) $(BIN)/python -m pytest -m sim -q -s

bench: $(READY)  ## measure; writes docs/BENCHMARKS.md
	$(BIN)/python -m bench --write

lint: $(READY)  ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/mypy

lock: $(READY)  ## choose versions afresh from pyproject.toml; read the diff
	$(COMPILE) --upgrade pyproject.toml --group dev --extra demo --python-version 3.11 -o requirements.lock

broker-lock: $(READY)  ## the same for the embedded broker's jars
	$(BIN)/python -m varve.java

docs: $(READY)  ## regenerate the schemas in docs/
	$(BIN)/python -m streams.schema

clean:  ## remove .venv and caches; data directories stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(READY): requirements.lock requirements-uv.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Varve needs Python 3.11 or newer; $(PYTHON) is " + sys.version.split()[0] + ". Name another: make setup PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-uv.lock
	VIRTUAL_ENV=.venv $(UV) pip install --quiet --require-hashes -r requirements.lock
	VIRTUAL_ENV=.venv $(UV) pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(READY)
