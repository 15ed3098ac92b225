# Shanliu (善流). `make` alone lists the targets.
SHELL := /bin/sh
.SHELLFLAGS := -eu -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# What is started again and again is not compiled each time.
unexport PYTHONDONTWRITEBYTECODE

VENV := .venv
BIN := $(VENV)/bin
RUN_STAMP := $(VENV)/.installed-run
DEV_STAMP := $(VENV)/.installed-dev
ARGS ?=
# What is heavy is on two workers, for two cores; the others take what mostly waits for what it tests.
WORKERS ?= 4
ONCE ?=

.PHONY: help venv demo year up down status logs reset check unit test audit bench format contracts schemas pictures lock clean image compose-up compose-down cluster-up cluster-down

help: ## list the targets
	@echo "Shanliu (善流): donations from many channels to the people who must see them at once"
	@echo
	@sed -n 's/^\([a-z][a-z -]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-24s %s\n", $$1, $$2}'

# ---------------------------------------------------------------- environment
# A candidate counts only when it runs: a version manager may leave commands that answer "not installed".
define FIND_PYTHON
for candidate in $(PYTHON) python3.13 python3.12 python3.11 python3.14 python3 python; do \
    if "$$candidate" -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then \
        echo "$$candidate"; exit 0; \
    fi; \
done; \
found=$$(python3 --version 2>/dev/null || echo "no Python"); \
echo "make: Python 3.11 or newer with its venv module is needed, found $$found. Install it (Debian: apt-get install python3 python3-venv), or say which: make PYTHON=/path/to/python3.11" >&2; \
exit 1
endef

# Also made anew when its Python is gone, as after an upgrade of the system.
$(BIN)/python:
	@python=$$($(FIND_PYTHON)); \
	echo "Making $(VENV) with $$("$$python" --version)" >&2; \
	"$$python" -m venv --clear $(VENV) || { \
	    echo "make: $$python could not make a virtual environment in $(VENV). On Debian: apt-get install python3-venv" >&2; \
	    exit 1; }

# The stamps are the lock's: the same lock installs once.
define INSTALL
@free_kb=$$(df -Pk . | awk 'NR==2 {print $$4}'); \
if [ "$$free_kb" -lt 1572864 ]; then \
    echo "make: less than 1.5 GB free on this disk ($$((free_kb / 1024)) MB). Make room, then run make again." >&2; exit 1; \
fi
@echo "Installing $(1) (the first time takes a minute or two)" >&2
@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r $(1) >&2 || { \
    echo "make: the packages of $(1) could not be installed. Is the package registry reachable? See pip's message above, then run make again." >&2; exit 1; }
@$(BIN)/python -m pip install --disable-pip-version-check --quiet --no-deps --no-build-isolation --no-index --editable .
@touch $@
endef

$(RUN_STAMP): requirements/base.txt pyproject.toml | $(BIN)/python
	$(call INSTALL,requirements/base.txt)

$(DEV_STAMP): requirements/dev.txt pyproject.toml | $(BIN)/python
	$(call INSTALL,requirements/dev.txt)
	@touch $(RUN_STAMP)

venv: $(DEV_STAMP) ## virtual environment with everything locked in requirements/

# ---------------------------------------------------------------- run
demo: $(RUN_STAMP) ## a gala on real Kafka and PostgreSQL until Ctrl-C; ONCE=1 proves one evening and leaves
	@exec $(BIN)/shanliu demo $(if $(filter-out 0,$(ONCE)),--once) $(ARGS)

year: $(RUN_STAMP) ## a federation's year 2023, each figure checked; ONCE=1 leaves, ARGS="--scale 100" is quicker
	@exec $(BIN)/shanliu demo --scenario year-2023 $(if $(filter-out 0,$(ONCE)),--once) $(ARGS)

up down status: $(RUN_STAMP) ## start, stop, look at the local stack
	@exec $(BIN)/shanliu $@ $(ARGS)

logs reset: $(RUN_STAMP) ## show the logs, delete the data (ARGS="donation -f", ARGS=--yes)
	@exec $(BIN)/shanliu $@ $(ARGS)

bench: $(RUN_STAMP) ## the pipeline against a bare loop doing the same writes, side by side
	@exec $(BIN)/shanliu bench $(ARGS)

# ---------------------------------------------------------------- containers
SHANLIU_IMAGE ?= shanliu:local
SHANLIU_SECRETS ?= $(CURDIR)/deploy/secrets
COMPOSE := docker compose -f deploy/compose.yaml
WATCHING := -f deploy/compose.observability.yaml
OBSERVED ?=
export SHANLIU_IMAGE SHANLIU_SECRETS

# Dated by the commit: the same commit, the same layer.
image: ## build the one image of all services (SHANLIU_IMAGE=name:tag, ARGS="--secret id=pip,src=pip.conf")
	@commit=$$(git rev-parse HEAD); at=$$(git log -1 --format=%ct); \
	DOCKER_BUILDKIT=1 docker build -f deploy/Dockerfile -t $(SHANLIU_IMAGE) --build-arg SOURCE_DATE_EPOCH=$$at \
	    --build-arg REVISION=$$commit --build-arg CREATED=$$(TZ=UTC git log -1 --date=format-local:%Y-%m-%dT%H:%M:%SZ --format=%cd) \
	    --build-arg VERSION=$$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml) $(ARGS) .

compose-up: ## start everything in containers (after `make image`); OBSERVED=1: with Prometheus and Grafana
	@mkdir -p $(SHANLIU_SECRETS)
	@docker run --rm --network none --read-only --user $$(id -u):$$(id -g) -v $(SHANLIU_SECRETS):/secrets \
	    $(SHANLIU_IMAGE) shanliu secrets /secrets
	@$(COMPOSE) $(if $(filter-out 0,$(OBSERVED)),$(WATCHING)) up --detach --wait $(ARGS)

compose-down: ## stop the containers; their data stay (ARGS=--volumes deletes them)
	@$(COMPOSE) $(WATCHING) down $(ARGS)

KAFKA_HOST ?= localhost
CLUSTERED = $(COMPOSE) $(if $(filter-out 0,$(OBSERVED)),$(WATCHING)) -f deploy/compose.cluster.yaml
export KAFKA_HOST

cluster-up: ## the same with three brokers, users, rights and TLS (KAFKA_HOST: where channels reach them; OBSERVED=1)
	@mkdir -p $(SHANLIU_SECRETS)
	@docker run --rm --network none --read-only --user $$(id -u):$$(id -g) -v $(SHANLIU_SECRETS):/secrets \
	    $(SHANLIU_IMAGE) shanliu secrets /secrets --cluster $(KAFKA_HOST)
	@$(CLUSTERED) up --detach --wait $(ARGS)

cluster-down: ## stop them; their data stay (ARGS=--volumes deletes them)
	@$(COMPOSE) $(WATCHING) -f deploy/compose.cluster.yaml down $(ARGS)

# ---------------------------------------------------------------- work
SPREAD := -n $(WORKERS) --dist loadfile --no-loadscope-reorder
COMPILE := $(BIN)/uv pip compile -q --generate-hashes --no-emit-index-url --no-header --universal --python-version 3.11

check: $(DEV_STAMP) ## format, lint and types (run it while working, and `make unit`)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

unit: $(DEV_STAMP) ## the tests that need no broker, database or browser: more than half of them, in a minute
	$(BIN)/pytest $(SPREAD) tests/unit $(ARGS)

test: $(DEV_STAMP) ## all tests, on real Kafka, PostgreSQL and a browser (ARGS="-k totals", WORKERS=0)
	$(BIN)/pytest $(SPREAD) $(ARGS)

audit: $(DEV_STAMP) ## look the locked packages up in the known vulnerabilities (needs the internet)
	$(BIN)/python .ci/audit $(ARGS)

format: $(DEV_STAMP) ## write the format, repair what the linter can
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

contracts: schemas ## write docs/api/ anew: what the services publish of themselves
	$(BIN)/python -m deploy.contracts
	$(BIN)/python -m deploy.metrics
	$(BIN)/python -m deploy.grafana.boards

schemas: $(DEV_STAMP) ## write the events' JSON Schemas anew from their models
	$(BIN)/python -m shared.events.export

pictures: $(DEV_STAMP) ## take the pictures of docs/console and docs/screens anew (then look at them)
	SHANLIU_CHROMIUM=$${SHANLIU_CHROMIUM:-chromium} $(BIN)/pytest -q -o faulthandler_timeout=1800 tests/browser/pictures.py $(ARGS)

lock: | $(BIN)/python ## renew requirements/*.txt from requirements/*.in (ARGS=--upgrade)
	$(COMPILE) requirements/base.in -o requirements/base.txt $(ARGS)
	$(COMPILE) -c requirements/base.txt requirements/run.in -o requirements/run.txt $(ARGS)
	$(COMPILE) requirements/image.in -o requirements/image.txt $(ARGS)
	$(COMPILE) -c requirements/base.txt requirements/dev.in -o requirements/dev.txt $(ARGS)

clean: ## remove what was built and fetched into this folder; the data (.shanliu) stay
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
