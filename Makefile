# The only entry: what people type is what CI runs.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: help run test lint format type docs bench bench-reload bench-daemons soak clean

help:
	@echo "make run     a daemon on the embedded store, with an example flow"
	@echo "make test    every test"
	@echo "make lint    style, import contracts"
	@echo "make type    types"
	@echo "make format  formats the code"
	@echo "make docs    the pages that are written by a command"
	@echo "make bench   benchmarks, beside their floors, some twelve minutes; PART=crud for one of them, PART=--list to see all"
	@echo "make bench-reload  10,000 changes under load, some ten minutes"
	@echo "make bench-daemons  1,000 changes on three daemons and one MongoDB, and one with 10,000 specs; two minutes"
	@echo "make soak    many calls, and what they leave behind"

$(BIN)/weir: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/dev: pyproject.toml $(BIN)/weir
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

run: $(BIN)/weir
	@mkdir -p .weir
	@echo
	@echo "  Weir starts. Try, in another terminal:"
	@echo
	@echo "      curl http://127.0.0.1:8000/hello/ada"
	@echo "      curl -d '{\"items\": [{\"price\": 4, \"count\": 3}]}' -H 'content-type: application/json' http://127.0.0.1:8000/total"
	@echo
	@echo "  then change a text in examples/hello.yaml, save it, and call again."
	@echo
	$(BIN)/weir start --store sqlite:///.weir/weir.db --from-specs examples/hello.yaml --watch

test: $(VENV)/dev
	$(BIN)/python -m pytest -n auto --dist worksteal

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/weir lint examples specs/system

format: $(VENV)/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

type: $(VENV)/dev
	$(BIN)/mypy

docs: $(VENV)/dev
	$(BIN)/python -m docs.generate.cel

bench: $(VENV)/dev
	$(BIN)/python -m benchmarks --write $(PART)

bench-reload: $(VENV)/dev
	$(BIN)/python -m benchmarks.reload --write
	$(BIN)/python -m benchmarks.reload --latency --write

bench-daemons: $(VENV)/dev
	$(BIN)/python -m benchmarks.daemons --write
	$(BIN)/python -m benchmarks.daemons --size 10000 --write

soak: $(VENV)/dev
	$(BIN)/python -m benchmarks.soak

clean:
	rm -rf $(VENV) .weir .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache
