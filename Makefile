# Every command that a person types here. `make` alone lists them.
.DEFAULT_GOAL := help
.PHONY: help demo serve test test-long test-oldest check fuzz bench docs format browser

UV := scripts/uv
# --inexact adds what is missing and removes nothing, so running the demo does not undo a set-up for tests.
SYNC := test -d .venv || echo "Installing what is needed, once ..." >&2; $(UV) sync --quiet --inexact
PYTEST := $(UV) run --no-sync pytest
OLDEST_FASTAPI = $(shell sed -n 's/^ *"fastapi>=\([0-9.]*\)".*/\1/p' packages/ringback/pyproject.toml)
HOST ?= 127.0.0.1
PORT ?= 8000

help: ## List these commands
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: ## Play the whole invoice story, then keep serving (ONCE=1: end after the story)
	@$(SYNC)
	@$(UV) run --no-sync invoices demo $(if $(filter-out 0,$(ONCE)),--once)

serve: ## Start the invoicing service (HOST=127.0.0.1 PORT=8000)
	@$(SYNC)
	@$(UV) run --no-sync invoices serve --host $(HOST) --port $(PORT)

test: browser ## Run the tests (ARGS="-k word" to choose)
	@$(SYNC) --all-packages --group test
	@$(PYTEST) -n 3 --dist loadfile -m "not long" $(ARGS)

test-long: browser ## Run the tests that take minutes
	@sh scripts/install_pgbouncer
	@$(SYNC) --all-packages --group test
	@$(PYTEST) -n 2 --dist worksteal -m long $(ARGS)

test-oldest: ## Run the tests of the contract on the oldest FastAPI that Ringback allows
	@$(UV) run --quiet --isolated --all-packages --group test --with "fastapi==$(OLDEST_FASTAPI)" \
		pytest -p no:cacheprovider -m "not long" -k "not judge" packages/ringback/tests/contract $(ARGS)

check: ## Lint, format, types, import rules, dependencies, sizes
	@$(SYNC) --all-packages --group test --group quality
	@sh scripts/check

fuzz: ## Give the guard, the reader of answers or the receiver random bytes (TARGET=url|answer|signature SECONDS=60)
	@$(SYNC) --all-packages --group test
	@$(UV) run --no-sync python packages/ringback/tests/threats/fuzz.py $(or $(TARGET),url) --seconds $(or $(SECONDS),60)

bench: ## Measure Ringback beside its peers (ARGS="--only sqlite --quick"; --list names the lines)
	@UV_PROJECT_ENVIRONMENT=bench/.venv $(UV) sync --quiet --all-packages --group bench
	@UV_PROJECT_ENVIRONMENT=bench/.venv $(UV) run --no-sync python -m bench $(ARGS)

docs: ## Build the documentation site into .docs/site
	@UV_PROJECT_ENVIRONMENT=.docs/venv $(UV) sync --quiet --all-packages --group docs
	@UV_PROJECT_ENVIRONMENT=.docs/venv $(UV) run --no-sync python -m docs_site

screenshots: browser ## Make pictures of every page into .docs/screenshots and docs/images (MINUTES=30: fuller charts)
	@$(SYNC) --all-packages --group test
	@$(UV) run --no-sync python -m testkit.screenshots $(or $(MINUTES),0)

format: ## Put the code into the one format
	@$(SYNC) --all-packages --group test --group quality
	@$(UV) run --no-sync ruff check --quiet --fix . || true
	@$(UV) run --no-sync ruff format .

browser: # Chromium for the tests of pages; where it cannot be installed, the other tests still run
	@sh scripts/install_chromium
