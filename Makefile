# Two environments: .venv is what a device has, .venv-dev has everything that tests and checks need.
#
#   make PYTHON=/path/to/python3.12 install     another interpreter than the one found below
#   make TORCH_FLAGS='--index-url URL' test     where pip takes torch from; a CPU build is enough and far smaller
#   make PYTEST_FLAGS='-k tracking' test        further options of pytest

SUITABLE := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3.11 python3.12 python3.13 python3; do \
	$$p -c '$(SUITABLE)' 2>/dev/null && { echo $$p; break; }; done)
TORCH_FLAGS ?=
PYTEST_FLAGS ?=
BENCH_FLAGS ?=

DEVICE := .venv/bin
DEV := .venv-dev/bin
TORCH := $(shell grep '^torch==' constraints.txt)
PIP_INSTALL := -m pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt
# Quiet twice: errors only. pip warns of its own user, and of every local index that lacks a package.
export PIP_ROOT_USER_ACTION := ignore

.DEFAULT_GOAL := help
.PHONY: help install demo test test-wheel check bench wheel clean

help:
	@echo 'make install     what a device needs, into .venv'
	@echo 'make demo        see it at work: bundled clip, embedded broker'
	@echo 'make test        all tests, in .venv-dev'
	@echo 'make check       lint, format, types, direction of imports'
	@echo 'make bench       latency and memory of this machine; DATA=FOLDER for accuracy too'
	@echo 'make wheel       the wheel, into dist/'
	@echo 'make test-wheel  install the wheel into an empty environment and try it'
	@echo 'make clean       remove what the above made'

install: .venv/installed

demo: .venv/installed
	@$(DEVICE)/edge-ocr demo

test: .venv-dev/installed
	$(DEV)/python -m pytest $(PYTEST_FLAGS)

test-wheel: .venv-dev/installed
	EDGE_OCR_TEST_WHEEL=1 $(DEV)/python -m pytest tests/test_wheel.py $(PYTEST_FLAGS)

# The direction of imports is a rule of ruff, TID251: see */ruff.toml.
check: .venv-dev/installed
	$(DEV)/ruff check
	$(DEV)/ruff format --check
	$(DEV)/mypy

# DATA holds labelled sets as benchmarks/README.md describes them; SETS names some of them, BENCH_FLAGS are further
# options, such as --peer NAME=PYTHON.
SETS ?= $(shell cd '$(DATA)' && grep -l '"lines"' */labels.jsonl | xargs -n 1 dirname)
bench: .venv/installed
	$(DEVICE)/edge-ocr profile
	$(DEVICE)/python -m benchmarks.memory
ifdef DATA
	$(DEVICE)/python -m benchmarks.against_peers '$(DATA)' $(addprefix --set ,$(SETS)) $(BENCH_FLAGS)
else
	@echo
	@echo 'Accuracy needs labelled images: make bench DATA=FOLDER; see benchmarks/README.md.'
endif

wheel: .venv/installed
	@$(DEVICE)/python -m pip wheel --quiet --quiet --disable-pip-version-check --no-deps --wheel-dir dist .
	@ls dist/*.whl

clean:
	rm -rf .venv .venv-dev dist build .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/installed: pyproject.toml constraints.txt
	@$(call make_environment,.venv)
	@echo 'Installing edge-ocr for a device into .venv; a minute or less ...'
	@$(DEVICE)/python $(PIP_INSTALL) --editable '.[demo,report]'
	@touch $@
	@echo 'Done: .venv/bin/edge-ocr'

.venv-dev/installed: pyproject.toml constraints.txt
	@$(call make_environment,.venv-dev)
	@echo 'Installing $(TORCH) into .venv-dev; some minutes ...'
	@$(DEV)/python $(PIP_INSTALL) $(TORCH_FLAGS) '$(TORCH)'
	@echo 'Installing the rest of edge-ocr[dev] into .venv-dev ...'
	@$(DEV)/python $(PIP_INSTALL) --editable '.[dev]'
	@touch $@

# $(call make_environment,FOLDER): an empty virtual environment, unless there is one.
define make_environment
test -n '$(PYTHON)' || { echo 'edge-ocr needs Python 3.11, 3.12 or 3.13 with venv (apt-get install python3-venv), or name one: make PYTHON=/path/to/python3.11 ...' >&2; exit 1; }; \
$(PYTHON) -c '$(SUITABLE)' 2>/dev/null || { echo '$(PYTHON): not Python 3.11, 3.12 or 3.13 with venv; name another: make PYTHON=/path/to/python3.11 ...' >&2; exit 1; }; \
test -x $(1)/bin/python || $(PYTHON) -m venv $(1)
endef
