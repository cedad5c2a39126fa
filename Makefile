# Ratchet: `make demo` shows the whole loop on this machine, `make test` runs the tests. Neither needs root.
SHELL := /bin/bash
.DEFAULT_GOAL := setup
.PHONY: setup demo up down test check bench help lock schema

VENV := .venv
MXNET := .venv-mxnet
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
# uv itself finds the machine's package index from pip's and its own settings; no address is written here.
COMPILE := $(UV) pip compile --quiet --no-emit-index-url --no-emit-find-links --no-annotate --generate-hashes --python-version 3.11
ARGS ?=

setup: $(VENV)/.ready $(MXNET)/.ready  ## make both environments
	@echo "ready: make demo, make test, make help"

$(UV):
	@scripts/bootstrap $(VENV)

$(VENV)/.ready: $(UV) requirements.txt requirements-dev.txt pyproject.toml
	@echo "installing the orchestrator's environment into $(VENV)"
	@$(UV) pip install --quiet --python $(VENV) -r requirements.txt -r requirements-dev.txt
	@$(UV) pip install --quiet --python $(VENV) --no-deps --editable .
	@touch $@

$(MXNET)/.ready: $(UV) training/requirements.txt inference/requirements.txt
	@echo "installing the training and serving environment into $(MXNET)"
	@test -x $(MXNET)/bin/python || $(UV) venv --quiet --python $(PY) $(MXNET)
	@$(UV) pip install --quiet --python $(MXNET) -r training/requirements.txt -r inference/requirements.txt
	@touch $@

demo: setup  ## the whole loop on this machine: data, training, approval, live, twice
	@$(VENV)/bin/ratchet demo $(ARGS)

up: setup  ## start localcloud and Airflow here
	@$(VENV)/bin/ratchet up $(ARGS)

down:  ## end every process of the stack
	@if [ -x $(VENV)/bin/ratchet ]; then $(VENV)/bin/ratchet down; else echo "nothing was running"; fi

test: setup  ## run the tests; ARGS="-k name" chooses
	@scripts/test $(ARGS)

check: setup  ## lint, types, room contracts, budgets, template, schema
	@scripts/check

bench: setup  ## every figure the README quotes; ARGS=--json for programs
	@missed=0; for script in benchmarks/[a-z]*.py; do echo "== $$script"; $(PY) $$script $(ARGS) || missed=1; done; exit $$missed

lock: $(UV)  ## write the locked requirements anew from the ranges
	@$(COMPILE) requirements.in -o requirements.txt
	@$(COMPILE) requirements-dev.in -o requirements-dev.txt
	@$(COMPILE) training/requirements.in -o training/requirements.txt
	@$(COMPILE) -c training/requirements.txt inference/requirements.in -o inference/requirements.txt

schema: setup  ## write docs/pipeline.schema.json from ratchet/spec.py
	@$(PY) scripts/write_schema.py

help:  ## this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 10
