# Everything a newcomer needs: `make demo` and `make test` set themselves up in .venv on first use,
# with the versions in constraints.txt, and again only when those or pyproject.toml change.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
READY := $(VENV)/.ready
DOCS_READY := $(VENV)/.ready-docs

export MPLBACKEND ?= Agg

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format docs links bench reproduce package lowest clean

help:
	@echo "make demo    one minute: four situations of a frozen classifier, before and after"
	@echo "make test    lint and the whole test suite"
	@echo "make lint    ruff and mypy: rules, format, types   make format  let ruff mend what it can"
	@echo "make docs    the documentation, to docs/_build/html; its links and its search are tried   make links  addresses on"
	@echo "             other sites, too; needs a network"
	@echo "make bench   the benchmarks at their quick sizes, into benchmarks/RESULTS.md (DATA=folder of the .npz files;"
	@echo "             SCRIPTS=\"peers.py steps.py\" for some of them; ARGS= for full sizes: hours)"
	@echo "make reproduce  the paper's table 1 and figures 1 to 12 beside ours; pictures into figures/ (DATA; ARGS=--quick)."
	@echo "             The full form takes hours, and goes on where it stopped"
	@echo "make package sdist and wheel into dist/; the wheel is installed into an empty environment and tried there"
	@echo "make lowest  the quick tests with the oldest versions of constraints-lowest.txt"
	@echo "make clean   remove everything that make made, .venv too"

setup: $(READY)

demo: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python examples/plot_four_situations.py

# One process a core, one thread each: two threads that wait for each other on small matrices gain nothing.
test: export OMP_NUM_THREADS ?= 1
test: lint
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=8 --dist=worksteal

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(DOCS_READY)
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html
	$(BIN)/python -m pytest -p no:cacheprovider tests/docs/test_links.py tests/docs/test_search.py

links: $(DOCS_READY)
	$(BIN)/python -m sphinx -b linkcheck docs docs/_build/links

bench: ARGS ?= --quick
bench: $(READY)
	@$(BIN)/python benchmarks/results.py $(SCRIPTS) $(if $(DATA),--data $(DATA)) $(ARGS)

reproduce: $(READY)
	$(BIN)/python benchmarks/reproduce.py $(if $(DATA),--data $(DATA)) $(ARGS)

# The smoke test runs away from the checkout, so that it is the installed package that is tried.
package: $(READY)
	$(INSTALL) build
	rm -rf dist $(VENV)-wheel
	$(BIN)/python -m build
	$(PYTHON) -m venv $(VENV)-wheel
	$(VENV)-wheel/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt dist/*.whl
	cd dist && OMP_NUM_THREADS=1 ../$(VENV)-wheel/bin/python -P ../tests/smoke.py

lowest: $(READY)
	$(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/python -m pip install --quiet --disable-pip-version-check \
		--constraint constraints-lowest.txt --editable '.[test]'
	OMP_NUM_THREADS=1 $(VENV)-lowest/bin/python tests/smoke.py
	OMP_NUM_THREADS=1 $(VENV)-lowest/bin/python -m pytest -m 'not slow' -p no:cacheprovider

clean:
	rm -rf $(VENV) $(VENV)-wheel $(VENV)-lowest build dist docs/_build docs/auto_examples docs/generated docs/sg_execution_times.rst \
		.mypy_cache .pytest_cache .ruff_cache .hypothesis figures frozen_classifier.png four_situations.png
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stamps: pip is not called again before pyproject.toml or constraints.txt changes.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "skflow needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1)." \
		"Name another one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Setting up $(VENV): once, a few minutes."
	$(PYTHON) -m venv $(VENV)
	$(INSTALL) --editable '.[test,plot,bench]'
	@touch $@

$(DOCS_READY): $(READY)
	$(INSTALL) --editable '.[docs]'
	@touch $@
