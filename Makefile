# Everything runs from a virtual environment that `make setup` builds from the committed lock files.
.DEFAULT_GOAL := help
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
UV_VERSION := 0.13.9
READY := $(VENV)/.ready
QUESTION ?= How did revenue per month develop in 2025?
HOME_OF_DEMO ?= $(CURDIR)/.cache/demo

.PHONY: help setup demo down test unit check lint types layers bench chaos chaos-cancel races fuzz pictures clean

help: ## list the commands
	@grep -E '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## /  make \1\t/' | expand -t 16

setup: $(READY) ## build the environments from the lock files (once)

$(READY): uv.lock pyproject.toml deployments/local/sandbox/uv.lock
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; name one with: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 2; }
	@echo "Setting up, once: the project's and the sandbox's environments, the SQL analyzer's cache …"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv sync --quiet --frozen --all-groups --compile-bytecode
	@$(BIN)/python -m compileall -q bq_copilot blocks deployments flows tasks tests
	@$(BIN)/python -m deployments.local.prepared
	@touch $(READY)

demo: $(READY) ## start the local stack and answer a sample question, with your approval
	@export BQ_COPILOT_HOME="$(HOME_OF_DEMO)"; \
	$(BIN)/bq-copilot up && \
	if [ -t 0 ] && [ -t 1 ]; then $(BIN)/bq-copilot ask "$(QUESTION)"; \
	else echo "There is no terminal to ask in: the plan is approved by itself (--yes)."; \
	  $(BIN)/bq-copilot ask --yes "$(QUESTION)" </dev/null; fi; code=$$?; \
	echo; echo "The stack keeps running. Ask on:  BQ_COPILOT_HOME=$(HOME_OF_DEMO) $(BIN)/bq-copilot ask \"…\"   Stop it:  make down"; \
	exit $$code

down: $(READY) ## stop the demo's stack
	@BQ_COPILOT_HOME="$(HOME_OF_DEMO)" $(BIN)/bq-copilot down

test: $(READY) ## lint, types, layers, and all tests
	@$(MAKE) --no-print-directory check
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder

unit: $(READY) ## the tests that need no stack
	$(BIN)/python -m pytest tests/unit -q

check: lint types layers ## ruff, pyright, import-linter

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/pyright

layers: $(READY)
	$(BIN)/lint-imports

bench: $(READY) ## print the benchmarks' figures
	$(BIN)/python -m benchmarks

chaos: $(READY) ## kill everything at random under 200 runs, and say what became of them
	$(BIN)/python -m tests.chaos --trials 200

chaos-cancel: $(READY) ## cancel 120 runs at random moments, with kills in between, and compare with the warehouse
	$(BIN)/python -m tests.chaos.cancelling --trials 120

races: $(READY) ## 1,000 contested decisions of each kind, on SQLite and PostgreSQL
	$(BIN)/python -m tests.races --runs 1000

fuzz: $(READY) ## compare the gate's two engines for ten minutes
	$(BIN)/python -m tests.gate.fuzz --seconds 600

pictures: $(READY) ## take the documentation's screenshots anew
	BQ_COPILOT_SCREENSHOTS=1 $(BIN)/python -m pytest tests/e2e -q

clean: ## remove the environments and caches (the demo's data included)
	rm -rf $(VENV) .cache
