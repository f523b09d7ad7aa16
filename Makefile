# Python 3.11 or newer: make PYTHON=python3.12 train
PYTHON ?= python3
BIN := .venv/bin

.PHONY: train test test-full setup lint format typecheck clean

train: setup  ## train the default config on the embedded data
	$(BIN)/python train.py

test: setup  ## every test but the slow ones
	$(BIN)/python -m pytest -m 'not slow'

test-full: setup  ## every test
	$(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: setup
	$(BIN)/pyright

setup: .venv/ready

.venv/ready: requirements.txt requirements-dev.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gan_jax needs Python 3.11 or newer: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	touch $@

clean:
	rm -rf .venv
