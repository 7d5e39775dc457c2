# Everything runs in .venv, which make builds itself: no activation needed. Start with `make help`.

PYTHON ?= python3
PY := .venv/bin/python
READY := .venv/.ready

PYTHON_FILES := trainer tests contracts $(wildcard fuzz bench)
# the engine is generated, in lines as long as its expressions
VYPER_FILES = $(shell find contracts -name '*.vy' ! -name DenseEngine.vy -o -name '*.vyi')
PYTEST := $(PY) -m pytest -q

.DEFAULT_GOAL := help
.PHONY: help venv demo test lint format fuzz data bench-gas engine lock clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' Makefile

venv: $(READY) ## build .venv from requirements.lock

$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'Assay needs Python 3.11 or newer: make venv PYTHON=python3.11'; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo 'Python lacks venv or ensurepip; on Debian: apt install python3-venv'; exit 1; }
	rm -rf .venv
	$(PYTHON) -m venv .venv
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(READY) ## a whole challenge on a local chain, from post to payment
	$(PY) -m trainer demo

test: $(READY) ## tests and quick fuzzing, deterministic
	$(PYTEST) -n 2 --dist loadfile tests $(wildcard fuzz)

# mamushi formats Vyper 0.4.3 well. natrix is left out: almost all it says is that arguments want a leading underscore.
lint: $(READY) ## style, types and formatting; changes nothing
	$(PY) -m ruff check $(PYTHON_FILES)
	$(PY) -m ruff format --check $(PYTHON_FILES)
	$(PY) -m mypy
	$(if $(VYPER_FILES),.venv/bin/mamushi --check --line-length 120 $(VYPER_FILES))

format: $(READY) ## rewrite sources in the project's style
	$(PY) -m ruff check --fix $(PYTHON_FILES)
	$(PY) -m ruff format $(PYTHON_FILES)
	$(if $(VYPER_FILES),.venv/bin/mamushi --line-length 120 $(VYPER_FILES))

fuzz: $(READY) ## minutes of fuzzing: make fuzz PROFILE=deep
	$(PYTEST) -n 2 --hypothesis-profile=$(or $(PROFILE),ci) fuzz

data: $(READY) ## fetch Fashion-MNIST from the Debian archive into build/datasets
	$(PY) -m trainer data fetch

bench-gas: $(READY) ## gas of inference and of the market's calls, and the README's tables from it (minutes)
	$(PY) -m bench.gas
	$(PY) -m bench.market
	$(PY) -m bench.tables

engine: $(READY) ## write contracts/DenseEngine.vy anew from its template
	$(PY) contracts/generate.py

lock: $(READY) ## resolve requirements.lock anew from pyproject.toml
	CUSTOM_COMPILE_COMMAND='make lock' .venv/bin/pip-compile --quiet --generate-hashes --allow-unsafe --extra dev \
		--strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host \
		--output-file requirements.lock pyproject.toml

clean: ## delete .venv, caches and build
	rm -rf .venv build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
