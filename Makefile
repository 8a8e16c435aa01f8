# Two commands do everything on a machine with Python and make: `make demo`, `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Many tests start a Python of their own: compiled once, it starts in half the time.
export PYTHONDONTWRITEBYTECODE :=

.PHONY: help demo test lint types prose matrix bench clean

help:
	@echo "make demo    the plugin on examples/shop: a green suite, then real findings"
	@echo "make test    the whole suite"
	@echo "make lint    ruff, spelling and prose, mypy --strict, pyright"
	@echo "make types   is everything public typed completely (pyright --verifytypes)"
	@echo "make matrix  the suite on every supported Python that is installed (nox)"
	@echo "make bench   what things cost, as tables and JSON (PART=upstream: one of them)"

# Made once; made again when the dependencies change.
$(BIN)/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| (echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3.13 ..." && exit 1)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[httpx2,trio,fastapi]' --group dev
	@touch $@

demo: $(BIN)/.installed
	@$(BIN)/python examples/demo.py

test: $(BIN)/.installed
	$(BIN)/python -m pytest -n 3 --dist worksteal -q

lint: $(BIN)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(MAKE) prose
	$(BIN)/mypy
	$(BIN)/pyright --pythonpath $(BIN)/python

# Is what the package exports typed completely? CI runs it beside lint.
types: $(BIN)/.installed
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/pyright --ignoreexternal --verifytypes pytest_asyncfastapi

# Spelling, and the words and forms that tests/prose.py names.
prose: $(BIN)/.installed
	$(BIN)/codespell pytest_asyncfastapi tests docs examples benchmarks noxfile.py *.md
	$(BIN)/python -m tests.prose

matrix: $(BIN)/.installed
	$(BIN)/nox

# In an environment of its own: looptime is a pytest plugin that acts on every test.
$(VENV)/bench/.installed: pyproject.toml | $(BIN)/.installed
	$(BIN)/python -m venv $(VENV)/bench
	$(VENV)/bench/bin/python -m pip install --quiet --upgrade pip
	$(VENV)/bench/bin/python -m pip install --quiet --editable '.[httpx2,trio,fastapi]' \
		--group test --group bench --group bench-clock
	@touch $@

bench: $(VENV)/bench/.installed
	@$(VENV)/bench/bin/python -m benchmarks $(PART)

clean:
	rm -rf $(VENV) .nox .mypy_cache .ruff_cache .pytest_cache
