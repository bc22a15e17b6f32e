# From a fresh clone with Python 3.11 or newer; `make help` lists what there is.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Words for `andersonn demo`, as in make demo DEMO="--epochs 1".
DEMO ?=
# Words for pytest in test-lowest and test-newest: tests, or a selection of them.
TESTS ?= tests
# torch of test-lowest. Older ones are large and mostly of CUDA; say TORCH=2.4.0 to try one.
TORCH ?= 2.13.0
# A file of tests stays in one process, which keeps what its tests share.
SIDE_BY_SIDE := --numprocesses auto --maxprocesses 4 --dist loadfile
PIP := -m pip install --quiet --disable-pip-version-check
CHECKED = "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=python3.12')"

.PHONY: help demo test types coverage test-all gate test-lowest test-newest docs lint audit clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /make \1|/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

demo: $(READY)  ## trains on real crystals, tests, compares solvers: runs/demo/report.html
	$(BIN)/andersonn demo $(DEMO)

test: types  ## style, types and tests, without the slow ones
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -m "not slow" $(SIDE_BY_SIDE)

types: $(READY)  ## the type checker, as [tool.mypy] in pyproject.toml sets it up
	$(BIN)/mypy

coverage: $(READY)  ## which lines the tests run: fails below the floor in pyproject.toml
	$(BIN)/coverage run -m pytest -m "not slow"
	$(BIN)/coverage report

test-all: $(READY)  ## all tests
	$(BIN)/python -m pytest

# Words for the gate, as in make gate GATE="--data conduction=crystals.parquet".
gate: $(READY)  ## known answers and more that weights must pass before they are shipped
	cd benchmarks && ../$(BIN)/python -m gate $(GATE)

docs: $(READY)  ## the documentation as a site: site/index.html
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

lint: $(READY)  ## corrects the style where that can be done, and checks the prose of the pages
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python tools/prose.py

# Environments apart, see docs/versions.md.
test-lowest:  ## tests with the oldest versions that pyproject.toml allows, and label's packages
	@$(PYTHON) -c $(CHECKED)
	$(PYTHON) -m venv .venv-lowest
	$(PYTHON) tools/lowest.py torch==$(TORCH) > .venv-lowest/pins.txt
	.venv-lowest/bin/python $(PIP) -c .venv-lowest/pins.txt -e ".[test,label]"
	.venv-lowest/bin/python -m pytest -m "not slow" $(TESTS)

test-newest:  ## tests with the newest versions there are, and label's packages
	@$(PYTHON) -c $(CHECKED)
	$(PYTHON) -m venv .venv-newest
	.venv-newest/bin/python $(PIP) --upgrade --upgrade-strategy eager -e ".[test,label]"
	.venv-newest/bin/python -m pytest -m "not slow" $(TESTS)

# All extras, in an environment apart: vulnerabilities (from PyPI, so it needs the network) and licences.
audit:  ## known vulnerabilities and licences of all it needs
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python $(PIP) -c constraints.txt \
		-e ".[audit,cluster,docs,energy,excel,label,materials-project,notebook,peers,test,web]"
	.venv-audit/bin/python tools/audit.py

clean:  ## removes what these commands made
	rm -rf $(VENV) .venv-audit .venv-lowest .venv-newest runs site .pytest_cache .hypothesis .ruff_cache .mypy_cache
	rm -f .coverage .coverage.*

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c $(CHECKED)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python $(PIP) -c constraints.txt -e ".[test]"
	@touch $@
