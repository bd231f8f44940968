# Everything a person runs. Needs Python 3.11, make and a package index; nothing else.

PYTHON ?= python3.11
PORT ?= 8080
# Another package index for torch alone, for its CPU build where the index in use has only CUDA ones.
TORCH_INDEX ?=

VENV := .venv
BIN := $(VENV)/bin
DATA := .data
SAMPLE := ingest/sample/catalogue.jsonl
LOCKS := $(wildcard requirements/*.lock)

INDEX_DIR ?= $(DATA)/index
MODEL_DIR ?= $(DATA)/model
export PORT INDEX_DIR MODEL_DIR

MODEL := $(MODEL_DIR)/model.json
INDEX := $(INDEX_DIR)/CURRENT

# Whichever Compose is here: the plugin of docker, or the program of its own.
COMPOSE = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

.PHONY: help setup run up down ingest test test-crashes test-endurance test-containers axe coverage fuzz lint
.PHONY: format benchmark lock clean

help: ## Show this list.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 17

setup: $(MODEL) ## Make the virtual environment, install the locked dependencies, export the model.

run: setup $(INDEX) ## Serve on 127.0.0.1:$PORT, with the sample catalogue if there is no index.
	@$(BIN)/python -m api

# .env has the say over the API's port, unless PORT was given to make.
up: ## Serve in containers, beside a Qdrant server (settings: .env.example).
	@$(if $(filter file,$(origin PORT)),,API_PORT=$(PORT) )$(COMPOSE) up --detach --build

down: ## Stop the containers; what they hold stays in their volumes.
	@$(COMPOSE) --profile cluster --profile ingest --profile observability down

# The containers read as nobody in particular: the source must be readable by all.
ingest: ## Bring SOURCE=path into the containers' index (ARGS=--prune and the like as well).
	$(if $(SOURCE),,$(error usage: make ingest SOURCE=talks.parquet [ARGS=--prune]))
	@test -e "$(SOURCE)" || { echo "SOURCE: there is no $(SOURCE)" >&2; exit 2; }
	@$(COMPOSE) --profile ingest build --quiet ingest
	@source=$$(realpath -- "$(SOURCE)") && place="/source/$$(basename -- "$$source")" && \
		$(COMPOSE) run --rm --volume "$$source:$$place:ro" ingest sync $(ARGS) "$$place"

test: setup ## Run every test (under 10 minutes on two cores).
	@$(BIN)/python -m pytest

test-crashes: setup ## Kill twenty first builds and twenty updates, fail every request to a server (5 minutes).
	@$(BIN)/python -m pytest tests/integration/test_crash_safety.py --kills 20 -rP
	@$(BIN)/python -m pytest tests/integration/test_qdrant_sync.py --stride 1

test-endurance: setup ## Stop the API twenty times and switch its index a hundred, searched meanwhile (3 minutes).
	@$(BIN)/python -m pytest tests/integration/test_stops.py tests/integration/test_switches.py \
		tests/integration/test_first_process.py tests/integration/test_without_network.py \
		--stops 20 --switches 100 -rP

test-containers: $(VENV)/installed ## Build the images and check them (needs Docker; about 5 minutes).
	@$(BIN)/python -m pytest tests/containers

axe: $(DATA)/node_modules/axe-core/axe.min.js ## Get axe-core (needs npm), with which the tests look whether pages are for everyone.

$(DATA)/node_modules/axe-core/axe.min.js:
	@npm install --prefix $(DATA) --no-save --no-audit --no-fund axe-core@4.14.1

coverage: setup ## Run every test and say which branches none of them takes.
	@$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered

# Each for itself: what one finds does not keep the next from looking.
fuzz: setup ## Throw much at the API, its texts and the caption parsers (about 20 minutes).
	@failed=0; for name in openapi hostile_texts caption_files; do \
		$(BIN)/python -m tests.fuzz.$$name || failed=1; done; exit $$failed

lint: $(VENV)/installed ## Check style, types and who imports whom.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/installed ## Put the code in the house's form.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: setup ## Measure everything the README states, on ../shared/data (about 40 minutes).
	@$(BIN)/python -m benchmarks

lock: ## Write requirements/*.lock anew from pyproject.toml, newest versions that fit.
	@$(PYTHON) requirements/lock.py

clean: ## Delete the virtual environment and everything under .data.
	rm -rf $(VENV) $(DATA)

$(VENV)/installed: $(LOCKS)
	@echo "Making the virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python requirements/install.py "Installing torch" "torch==2.13.0" \
		--constraint requirements/ingest.lock $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX))
	@$(BIN)/python requirements/install.py "Installing the other dependencies" \
		--requirement requirements/dev.lock
	@touch $@

$(MODEL): | $(VENV)/installed
	@$(BIN)/python -m ingest export-model

$(INDEX): | $(MODEL)
	@echo "Ingesting the sample catalogue"
	@$(BIN)/python -m ingest sync $(SAMPLE)
