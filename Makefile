# Everything runs in .venv, built from requirements.lock with nothing but python3 and pip.
SHELL := /bin/sh
PYTHON ?= python3
PY := .venv/bin/python
STAMP := .venv/installed
# Bytecode is written when a module is first imported: half the time of installing is saved.
PIP := $(PY) -m pip install --quiet --disable-pip-version-check --no-input --no-compile
unexport PYTHONDONTWRITEBYTECODE
STRIPPED_KEYS := metadata.jupytext metadata.language_info metadata.papermill \
	metadata.widgets cell.metadata.execution cell.metadata.papermill

TWO_AT_A_TIME := -n 2 --dist loadfile

.DEFAULT_GOAL := menu
.PHONY: menu run test lab tidy lint bench doctor FORCE

menu:
	@echo "DollarBill: research and trading for sellers of option premium"
	@echo
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 16

run: export DOLLARBILL_HOME := $(CURDIR)/.state/run
run: export DOLLARBILL_REPORTS := $(CURDIR)/reports
run: $(STAMP)  ## run notebooks 00 to 04 and make reports/index.html
	@set -e; for notebook in notebooks/0[0-4]_*.ipynb; do \
		$(PY) -m dollarbill_core.runs.cli run "$$notebook"; done
	@echo "Open $(CURDIR)/reports/index.html"

test: export DOLLARBILL_HOME := $(CURDIR)/.state/test
test: lint  ## lint, types, tests with coverage, and every notebook's checked cells
	@rm -rf "$(CURDIR)/.state/test"
	$(PY) -m pytest $(TWO_AT_A_TIME) --cov --cov-report=term
	$(PY) -m pytest --nbval-lax --nbval-current-env --nbval-cell-timeout=300 notebooks

lab: $(STAMP)  ## open the notebooks in JupyterLab
	@$(PY) -m jupyterlab notebooks

# A fresh state each time, so that a second tidy writes the same bytes.
tidy: export DOLLARBILL_HOME := $(CURDIR)/.state/tidy
tidy: $(STAMP)  ## format the code, re-run every notebook, keep only the checked outputs
	@rm -rf "$(CURDIR)/.state/tidy"
	$(PY) -m ruff check --quiet --fix --exit-zero .
	$(PY) -m ruff format --quiet .
	$(PY) -m jupyter execute --timeout=600 --inplace notebooks/*.ipynb
	$(PY) -m nbstripout --keep-count --keep-id --extra-keys "$(STRIPPED_KEYS)" notebooks/*.ipynb

lint: $(STAMP)  ## check style and types, change nothing
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy

# The peers are no part of the lock: what only a comparison needs is installed for it.
bench: export DOLLARBILL_HOME := $(CURDIR)/.state/bench
bench: $(STAMP)  ## measure against the peers: every benchmark in benchmarks/: an hour, 30 GB
	@$(PIP) --no-build-isolation -e ".[bench]"
	@set -e; for file in benchmarks/*.py; do echo "== $$file"; $(PY) "$$file"; done

doctor: $(STAMP)  ## say what works on this machine, and how to mend what does not
	@$(PY) -m dollarbill_core.runs.cli doctor

# The stamp is written last and names this folder: an install that was cut short, or an
# environment that was moved, is built again from nothing; a changed lock is brought up to date.
ifneq ($(shell cat $(STAMP) 2>/dev/null),$(CURDIR))
$(STAMP): FORCE
endif
$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo \
		"DollarBill needs Python 3.11 or later: make PYTHON=/path/to/python3" >&2; exit 1; }
	@[ "$$(cat $(STAMP) 2>/dev/null)" = "$(CURDIR)" ] || $(PYTHON) -m venv --clear .venv
	@rm -f $(STAMP)
	@echo "Installing what requirements.lock lists into .venv: a minute or two"
	@$(PIP) --require-hashes -r requirements.lock
	@$(PIP) --no-deps --no-build-isolation -e .
	@echo "$(CURDIR)" > $(STAMP)
