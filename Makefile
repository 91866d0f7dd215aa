# make demo and make test set themselves up in .venv; nothing but Python 3.11+ (with venv) and make
# is needed. Every recipe calls "python -m …" alone, so it works wherever Python does.

PYTHON ?= python3
VENV ?= .venv
ifeq ($(OS),Windows_NT)
PY := $(VENV)/Scripts/python
else
PY := $(VENV)/bin/python
endif
PIP_FLAGS ?= --disable-pip-version-check --no-input -q
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help demo test coverage test-long lint docs format bench clean

help: ## list the targets
	@$(PYTHON) -c "import re,sys; [print(f'  make {m[1]:<10} {m[2]}') for m in re.finditer(r'^([a-z-]+):[^#]*## (.*)$$', open('Makefile').read(), re.M)]"

$(VENV)/demo.stamp: pyproject.toml constraints.txt
	@$(PYTHON) -c "import sys; v = sys.version_info; (3, 11) <= v < (3, 14) or sys.exit('error: Python 3.11 to 3.13 is needed, this is %d.%d\nhint: make PYTHON=python3.12 …' % v[:2])"
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install $(PIP_FLAGS) -c constraints.txt -e ".[all]"
	@$(PY) -c "import pathlib; pathlib.Path('$@').touch()"

$(VENV)/dev.stamp: $(VENV)/demo.stamp
	$(PY) -m pip install $(PIP_FLAGS) -c constraints.txt -e ".[all,dev]"
	@$(PY) -c "import pathlib; pathlib.Path('$@').touch()"

demo: $(VENV)/demo.stamp ## run the main job end to end into demo/ (FULL=1: longer detector training)
	$(PY) examples/demo.py $(if $(FULL),--full)

# worksteal: files stay together as far as they can, and no core idles at the end.
TEST := -m pytest -n $(JOBS) --dist worksteal

test: $(VENV)/dev.stamp ## all tests but the long ones
	$(PY) $(TEST) -m "not long"

coverage: $(VENV)/dev.stamp ## make test with the coverage of each file: takes half as long again
	$(PY) $(TEST) -m "not long" --cov --cov-report=term:skip-covered

test-long: $(VENV)/dev.stamp ## the long tests (SHARE=SEED: eight CPU-minutes of them, chosen by the seed)
	$(PY) $(TEST) -m long $(if $(SHARE),--long-share $(SHARE))

lint: $(VENV)/dev.stamp ## ruff, mypy, import contracts
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy
	$(PY) -m docs.generate --check
	$(PY) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

docs: $(VENV)/dev.stamp ## write the pages that are made from the code
	$(PY) -m docs.generate

format: $(VENV)/dev.stamp ## let ruff format and mend what it can
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: $(VENV)/dev.stamp ## every figure of the README, peers beside ours
	$(PY) -m benchmarks

clean: ## remove what make made, but not .venv
	$(PYTHON) -c "import shutil; [shutil.rmtree(p, ignore_errors=True) for p in ('demo', 'build', 'dist')]"
