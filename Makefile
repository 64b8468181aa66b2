# Every target makes what it needs; `make` alone lists them.
#
# The first Python that fits makes .venv. To choose: make clean, then make PYTHON=python3.13 demo

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

FITS := import sys, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(or $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c '$(FITS)' 2>/dev/null && echo $$p && break; done),python3)
BIN := .venv/bin
RUNTIME := .venv/.treaty-runtime
DEV := .venv/.treaty-dev
# Options for the program behind a target: make demo ARGS="--json", make test ARGS="-k ledger"
ARGS ?=

.PHONY: help demo test check static fix bench fuzz licences sdk-ts clean moved

help: ## List the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: $(RUNTIME) ## Run a whole deal between three processes, then verify its file offline
	@$(BIN)/treaty demo $(ARGS)

test: static ## Prove the project: format, lint, types, imports, licences, then every test
	@echo "== tests, -rs lists what was skipped and why"
	@$(BIN)/pytest -n 2 --dist worksteal -rs $(ARGS)

check: static ## The same, without the tests that take seconds
	@$(BIN)/pytest -n 2 --dist worksteal -q -rs -m "not slow" $(ARGS)

static: $(DEV)
	@echo "== format" && $(BIN)/ruff format --check .
	@echo "== lint" && $(BIN)/ruff check .
	@echo "== types" && $(BIN)/mypy --strict src
	@echo "== import contracts" && $(BIN)/lint-imports --no-logo
	@echo "== licences" && $(BIN)/python tools/licences.py --quiet

fix: $(DEV) ## Format, and mend what the linter can mend
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

bench: $(RUNTIME) ## Measure, each figure beside its floor of the same run
	@$(BIN)/python -m bench $(ARGS)

fuzz: $(RUNTIME) ## Send 100,000 hostile requests to a quote channel and count what it answers
	@PYTHONPATH=src $(BIN)/python -m fuzz $(ARGS)

licences: $(RUNTIME) ## List the licences of everything the package needs at run time
	@$(BIN)/python tools/licences.py

sdk-ts: ## Build and test the TypeScript package (node 20 or later, npm)
	@cd sdk-ts && npm install --loglevel=error && npm test

clean: ## Remove .venv, caches and builds
	@rm -rf sdk-ts/node_modules sdk-ts/dist
	@rm -rf .venv build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name .git -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# A .venv that was moved or copied with its folder points elsewhere and is made again.
MOVED := $(shell test ! -e .venv || grep -qF -- " $(CURDIR)/.venv" .venv/pyvenv.cfg || echo moved)

$(RUNTIME): pyproject.toml constraints.txt $(MOVED)
	@command -v $(PYTHON) >/dev/null || { echo "error: no $(PYTHON) here; install Python 3.11, 3.12 or 3.13 (Debian: sudo apt-get install python3-venv)" >&2; exit 1; }
	@$(PYTHON) tools/venv.py runtime

$(DEV): $(RUNTIME)
	@$(PYTHON) tools/venv.py dev
