# All commands of the project. They need Python 3.11, 3.12 or 3.13, make and a package index.

# Whether a Python has a supported version and what `python -m venv` needs.
SUPPORTED = -c "import ensurepip, sys, venv; sys.exit(sys.version_info[:2] not in [(3, 11), (3, 12), (3, 13)])" \
	2>/dev/null
# The newest one that is installed.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11; do \
	$$python $(SUPPORTED) && { echo $$python; break; }; done)
PORT ?= 8080
# A package index for torch only, such as PyTorch's index of CPU wheels. On x86-64 Linux, PyPI serves the CUDA build.
TORCH_INDEX ?=

VENV := .venv
BIN := $(VENV)/bin
DATA := .data
SAMPLE := ingest/sample/catalogue.jsonl

INDEX_DIR ?= $(DATA)/index
MODEL_DIR ?= $(DATA)/model
export PORT INDEX_DIR MODEL_DIR

# What is installed: the product, its tests, torch with sentence-transformers, and the tools of `sbom`.
INSTALLED := $(VENV)/product.installed
TESTS := $(VENV)/tests.installed
REFERENCE := $(VENV)/reference.installed
INVENTORY := $(DATA)/inventory/installed
MODEL := $(MODEL_DIR)/model.json
INDEX := $(INDEX_DIR)/CURRENT

SMOKE := tests/integration/test_smoke.py
# Each worker runs whole files in the given order, so that a module's fixtures are built once and long files start early.
PARALLEL := --numprocesses 2 --dist loadfile --no-loadscope-reorder

INSTALL = $(BIN)/python requirements/install.py
# Without --upgrade, uv would keep the versions of the lock that it overwrites.
UV = $(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --no-annotate \
	--custom-compile-command "make lock"
LOCK = $(UV) pyproject.toml --generate-hashes
AS_IN_TESTS := --constraint requirements/tests.lock
# litestar needs rich for its command line only. ingest needs it for its own.
NOT_IN_API := rich pygments markdown-it-py mdurl

# Compose is either a plugin of docker or a program.
COMPOSE = $(shell docker compose version >/dev/null 2>&1 && echo docker compose || echo docker-compose)

.PHONY: help setup run up down ingest reference test test-all test-server test-crashes test-endurance test-reference
.PHONY: test-containers axe coverage fuzz lint format benchmark sbom lock audit model-assets settings clean

help: ## List the targets.
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 17

setup: $(MODEL) ## Create the virtual environment, install the locked dependencies, export the model.

reference: $(REFERENCE) ## Install torch and sentence-transformers, for other models and GPUs (6 GB).

run: setup $(INDEX) ## Serve on 127.0.0.1:$PORT. Ingests the sample catalogue if there is no index.
	@$(BIN)/python -m api

# .env sets the port of the API, unless PORT is given to make.
up: ## Serve in containers, with a Qdrant server (settings: .env.example).
	@$(if $(filter file,$(origin PORT)),,API_PORT=$(PORT) )$(COMPOSE) up --detach --build

down: ## Stop the containers and keep their volumes.
	@$(COMPOSE) --profile cluster --profile ingest --profile observability down

# A file or folder is mounted; the container's user must be able to read it. A YouTube channel is passed as it is.
ingest: ## Load SOURCE (a path or a YouTube channel) into the containers' index; ARGS=--prune adds options.
	$(if $(SOURCE),,$(error usage: make ingest SOURCE=talks.parquet [ARGS=--prune]))
	@case "$(SOURCE)" in youtube:*|*://*) ;; *) test -e "$(SOURCE)" || \
		{ echo "SOURCE: $(SOURCE) does not exist. Check the path." >&2; exit 2; };; esac
	@$(COMPOSE) --profile ingest build --quiet ingest
	@case "$(SOURCE)" in \
	youtube:*|*://*) $(COMPOSE) run --rm ingest sync $(ARGS) "$(SOURCE)";; \
	*) source=$$(realpath -- "$(SOURCE)") && target="/source/$$(basename -- "$$source")" && \
		$(COMPOSE) run --rm --volume "$$source:$$target:ro" ingest sync $(ARGS) "$$target";; \
	esac

test: setup $(TESTS) ## Run the unit and contract tests and a smoke test of every process and page (4 minutes).
	@$(BIN)/python -m pytest $(PARALLEL) tests/contract $(SMOKE) tests/unit

test-all: setup $(TESTS) ## Run the remaining integration tests (8 minutes).
	@$(BIN)/python -m pytest $(PARALLEL) tests/integration --ignore $(SMOKE)

test-server: setup $(TESTS) ## Run the contract and sync tests on the Qdrant server at TEST_QDRANT_URL.
	$(if $(TEST_QDRANT_URL),,$(error usage: make test-server TEST_QDRANT_URL=http://127.0.0.1:6333))
	@$(BIN)/python -m pytest tests/contract -k server

test-crashes: setup $(TESTS) ## Kill 20 first builds and 20 updates; fail each request to a server once (5 minutes).
	@$(BIN)/python -m pytest tests/integration/test_crash_safety.py --kills 20 -rP
	@$(BIN)/python -m pytest tests/integration/test_qdrant_sync.py --stride 1

test-endurance: setup $(TESTS) ## Stop the API 20 times and switch its index 100 times under load (3 minutes).
	@$(BIN)/python -m pytest tests/integration/test_stops.py tests/integration/test_switches.py \
		tests/integration/test_first_process.py tests/integration/test_without_network.py \
		--stops 20 --switches 100 -rP

test-reference: setup $(TESTS) $(REFERENCE) ## Compare the models with sentence-transformers (2 minutes).
	@$(BIN)/python -m pytest tests/reference

test-containers: $(TESTS) ## Build the images and check them (needs Docker; about 5 minutes).
	@$(BIN)/python -m pytest tests/containers

axe: $(DATA)/node_modules/axe-core/axe.min.js ## Install axe-core (needs npm), which the tests use to check the pages' accessibility.

$(DATA)/node_modules/axe-core/axe.min.js:
	@npm install --prefix $(DATA) --no-save --no-audit --no-fund axe-core@4.14.1

coverage: setup $(TESTS) $(REFERENCE) ## Run every test and list the branches that no test covers (installs torch).
	@$(BIN)/python -m pytest --cov --cov-report=term-missing:skip-covered tests/unit tests/contract tests/integration \
		tests/reference

# All of them run, even if one fails.
fuzz: setup $(TESTS) ## Fuzz the API, its texts and the caption parsers (about 20 minutes).
	@failed=0; for name in openapi hostile_texts caption_files; do \
		$(BIN)/python -m tests.fuzz.$$name || failed=1; done; exit $$failed

lint: $(TESTS) ## Check style, types, imports and dependencies.
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .

format: $(TESTS) ## Format the code.
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: setup $(TESTS) $(REFERENCE) ## Measure every figure in the docs, on ../shared/data (about 40 minutes).
	@$(BIN)/python -m benchmarks

sbom: $(INSTALLED) $(INVENTORY) ## Write the SBOM and the licences of all packages in .venv to .data.
	@requirements/inventory.sh $(dir $(INVENTORY))bin $(BIN)/python $(DATA)

# reference.txt has no hashes and no packages of CUDA, because torch has other files for a CPU and for a GPU. Without
# configuration, so that it keeps the packages that [tool.uv] excludes from the product.
lock: $(TESTS) ## Resolve pyproject.toml to the newest versions and write requirements/.
	$(LOCK) --extra api --extra ingest --extra tracing --extra tests --output-file requirements/tests.lock
	$(LOCK) --extra api $(NOT_IN_API:%=--no-emit-package %) --output-file requirements/api.lock $(AS_IN_TESTS)
	$(LOCK) --extra ingest --output-file requirements/ingest.lock $(AS_IN_TESTS)
	$(UV) --generate-hashes --group inventory --output-file requirements/inventory.lock $(AS_IN_TESTS)
	$(UV) pyproject.toml --no-config --extra reference --output-file $(VENV)/reference.txt $(AS_IN_TESTS)
	grep -vE '^(cuda|nvidia|triton)-?' $(VENV)/reference.txt > requirements/reference.txt

audit: $(TESTS) ## Look up known vulnerabilities of every locked package.
	@for lock in requirements/*.lock requirements/reference.txt; do echo "$$lock"; \
		$(BIN)/pip-audit --strict --progress-spinner off --disable-pip --no-deps --requirement $$lock || failed=1; \
	done; test -z "$$failed" || { echo "The audit did not pass: the lines above name a vulnerability, or a package" \
		"whose vulnerabilities could not be looked up (is the package index or pypi.org unreachable?)." >&2; exit 1; }

model-assets: $(REFERENCE) ## Write the graph and the golden embeddings of the default model.
	@$(BIN)/python -m ingest.model.model_assets

settings: $(INSTALLED) ## Write docs/settings.md and .env.example from the declared settings.
	@$(BIN)/python -m deploy.settings_files

clean: ## Delete the virtual environment and everything under .data.
	rm -rf $(VENV) $(DATA)

# A working environment keeps its Python: another version cannot be installed over it. Delete it to change the version.
$(INSTALLED): requirements/api.lock requirements/ingest.lock
	@test -n "$(PYTHON)" && $(PYTHON) $(SUPPORTED) || { echo "vidsearch needs Python 3.11, 3.12 or 3.13 with its venv module (on Debian and" \
		"Ubuntu: python3-venv). Install it, or name another: make run PYTHON=/usr/bin/python3.12" >&2; exit 2; }
	@$(BIN)/python -c "import pip" 2>/dev/null || { echo "Creating the virtual environment in $(VENV)"; \
		$(PYTHON) -m venv --clear $(VENV); }
	@$(INSTALL) "Installing the dependencies" --require-hashes --no-deps $(^:%=--requirement %)
	@touch $@

$(TESTS): requirements/tests.lock | $(INSTALLED)
	@$(INSTALL) "Installing the dependencies of the tests" --require-hashes --no-deps --requirement $<
	@touch $@

$(REFERENCE): requirements/reference.txt | $(INSTALLED)
	@$(INSTALL) "Installing torch and sentence-transformers" --requirement $< \
		$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
	@touch $@

$(INVENTORY): requirements/inventory.lock | $(INSTALLED)
	@$(PYTHON) -m venv $(@D)
	@$(@D)/bin/python requirements/install.py "Installing the tools that list packages" --require-hashes --no-deps --requirement $<
	@touch $@

$(MODEL): | $(INSTALLED)
	@$(BIN)/python -m ingest export-model

$(INDEX): | $(MODEL)
	@echo "Ingesting the sample catalogue"
	@$(BIN)/python -m ingest sync $(SAMPLE)
