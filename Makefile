# Everything a newcomer needs. Each target makes its own environment first: `up` installs what running needs, the others
# what testing needs as well. Nothing is installed twice.
SHELL := /bin/bash
.SHELLFLAGS := -o pipefail -c
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
RUN := $(VENV)/.run
TEST := $(VENV)/.test
PINS := pyproject.toml constraints.txt
PIP := $(BIN)/pip install --no-compile --disable-pip-version-check -c constraints.txt
NAMES := awk '/^Collecting/ { sub(/[^A-Za-z0-9_.-].*/, "", $$2); printf " %s", $$2; fflush() } END { print "" }'
QUICK := tests/engine tests/test_books.py tests/test_readme.py tests/runtime/test_wire.py \
	tests/runtime/test_settings.py tests/runtime/test_logs.py tests/adapters/test_payments.py tests/adapters/test_archive_formats.py

.DEFAULT_GOAL := help
.PHONY: help up test quick test-long bench chaos lint

help: ## show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1	\2/'

$(BIN)/python:
	@echo "1/3  making an environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)

$(RUN): $(PINS) | $(BIN)/python
	@echo "2/3  installing what running needs, as constraints.txt pins it:"
	@$(PIP) -e . | $(NAMES)
	@touch $@

$(TEST): $(RUN)
	@echo "installing what testing needs:"
	@$(PIP) -e '.[test]' | $(NAMES)
	@touch $@

up: $(RUN) ## start everything on this machine; Ctrl-C drains it
	@echo "3/3  starting Valkey, the workers and the clock; Ctrl-C drains them"
	@exec $(BIN)/tenure up

lint: $(TEST) ## the style, without the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy

quick: lint ## lint, types and the fast tests: for whoever is changing something (90 s on 2 cores)
	$(BIN)/pytest -n 2 --dist worksteal $(QUICK)

test: $(TEST) ## the whole suite: what CI runs
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(BIN)/pytest -n 3 --dist worksteal

test-long: $(TEST) ## the runs that take many minutes
	$(BIN)/pytest -m long

bench: $(TEST) ## speed as ratios against baselines of the same run
	@$(PIP) -e '.[test,bench]' | $(NAMES)
	$(BIN)/python -m tests.bench

chaos: $(TEST) ## break every part under load: MINUTES=10 SEED=1; needs root on Linux
	$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))
