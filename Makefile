# Everything a newcomer needs. Each target makes its own environment first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help up test test-long bench chaos lint

help: ## show what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1	\2/'

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test]'
	@touch $(STAMP)

up: $(STAMP) ## start everything on this machine; Ctrl-C drains it
	@exec $(BIN)/tenure up

test: $(STAMP) ## the whole suite: what CI runs
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
	$(BIN)/pytest -n 3 --dist worksteal

test-long: $(STAMP) ## the runs that take many minutes
	$(BIN)/pytest -m long

bench: $(STAMP) ## speed as ratios against baselines of the same run
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[test,bench]'
	$(BIN)/python -m tests.bench

chaos: $(STAMP) ## break every part under load: MINUTES=10 SEED=1; needs root on Linux
	$(BIN)/python -m tests.chaos --minutes $(or $(MINUTES),10) $(if $(SEED),--seed $(SEED))

lint: $(STAMP) ## the style, without the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/lint-imports --no-cache
	$(BIN)/mypy
