# From a fresh clone with Python 3.11 or newer: `make demo`, `make test`, `make docs`, `make audit`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test test-all docs lint audit clean

demo: $(READY)
	$(BIN)/andersonn demo

test: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest -m "not slow"

test-all: $(READY)
	$(BIN)/python -m pytest

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

lint: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# All extras, in an environment apart: vulnerabilities (from PyPI, so it needs the network) and licences.
audit:
	$(PYTHON) -m venv .venv-audit
	.venv-audit/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		-e ".[audit,cluster,docs,energy,label,materials-project,peers,test,web]"
	.venv-audit/bin/python tools/audit.py

clean:
	rm -rf $(VENV) .venv-audit runs site .pytest_cache .hypothesis .ruff_cache

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'Python 3.11 or newer is needed: make PYTHON=python3.12')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	@touch $@
