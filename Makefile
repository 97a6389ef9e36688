.DEFAULT_GOAL := help
.PHONY: help run test check cover fmt bench services
.SILENT:
SHELL := bash

VENV ?= .venv
PYTHON ?= python3
# For `make run`: options of `bridge demo`, such as ARGS="--port 8090"; for `make test` and `make bench`: of pytest.
ARGS ?=

# What the tools remember stays out of the source tree.
MEMORY := $(VENV)/memory
export PYTHON
export PYTHONPYCACHEPREFIX := $(abspath $(MEMORY))/pycache
export RUFF_CACHE_DIR := $(MEMORY)/ruff
export MYPY_CACHE_DIR := $(MEMORY)/mypy
export COVERAGE_FILE := $(MEMORY)/coverage
export HYPOTHESIS_STORAGE_DIRECTORY := $(MEMORY)/hypothesis
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest -o cache_dir=$(abspath $(MEMORY))/pytest

# $(call step,what is checked,command,what to do if it fails)
step = printf '\n== %s\n' "$(1)"; $(2) || { printf '\nfailed: %s\nremedy: %s\n' "$(1)" "$(3)" >&2; exit 1; }

help:     ## this list
	grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  make \1\t/' | expand -t 18

run:      ## a simulated fleet, the bridge and its console at http://127.0.0.1:8080
	deploy/native/python.sh $(VENV) run
	$(BIN)/bridge demo $(ARGS)

test:     ## everything: style, types, layers, unit, contract, integration, browser
	deploy/native/python.sh $(VENV) dev
	deploy/native/services.sh --list
	$(quality)
	$(call step,tests,$(PYTEST) -n 2 --dist loadfile $(ARGS),the first failure above names its file: $(BIN)/python -m pytest FILE runs it alone)

check:    ## what a commit needs, under a minute: style, types, layers, unit
	deploy/native/python.sh $(VENV) dev
	$(quality)
	$(call step,unit tests,$(PYTEST) -q $(wildcard tests/architecture tests/unit) $(ARGS),the first failure above names its file)

cover:    ## how much of the code the tests without servers reach, file by file
	deploy/native/python.sh $(VENV) dev
	$(call step,coverage,$(PYTEST) -q -n 2 --dist loadfile tests/unit tests/property tests/scenarios --cov --cov-report=term:skip-covered $(ARGS),a file above lost its tests; fail_under stands in pyproject.toml)

define quality
	$(call step,style,$(BIN)/ruff check --output-format concise . && $(BIN)/ruff format --check .,make fmt repairs what a tool can repair)
	$(call step,types,$(BIN)/mypy,each line above names file and line)
	$(call step,layers,$(BIN)/lint-imports --no-logo --cache-dir $(MEMORY)/imports,bridge/ARCHITECTURE.md says who may import whom)
endef

fmt:      ## let the tools fix what they can
	deploy/native/python.sh $(VENV) dev
	$(BIN)/ruff check --fix . || true
	$(BIN)/ruff format .

bench:    ## speed, cost and detection quality, each beside its reference
	deploy/native/python.sh $(VENV) dev
	$(call step,benchmarks,$(PYTEST) tests/bench --benchmark-enable --benchmark-only -o timeout=900 $(ARGS),see above)

services: ## real servers for the tests, put into a cache outside the checkout
	deploy/native/services.sh
