# Python 3.11 or newer: make PYTHON=python3.12 train
PYTHON ?= python3
BIN := .venv/bin

.PHONY: train test test-full test-faults test-peers test-onnx docs bench setup lint format typecheck clean help

train: setup  ## train the default config on the embedded data
	$(BIN)/python train.py

test: setup  ## every test but the slow ones
	$(BIN)/python -m pytest -m 'not slow and not faults'

test-full: setup  ## every test
	$(BIN)/python -m pytest

test-faults: setup  ## runs that are killed, stopped, cut off, corrupted, starved of room
	$(BIN)/python -m pytest -m faults

docs: setup  ## the commands of README, docs and the configs, with tiny networks and few steps
	$(BIN)/python tests/run_documents.py

bench: setup .venv-peers/ready  ## seconds per step, beside PyTorch
	$(BIN)/python benchmarks/throughput.py --peer

test-peers: .venv-peers/ready  ## the PyTorch peers take the same step, and reference metrics give the same figures
	.venv-peers/bin/python -m pytest -n 0 tests/test_peers.py tests/test_metric_peers.py

test-onnx: .venv-onnx/ready  ## exported as ONNX, and run by onnxruntime
	.venv-onnx/bin/python -m pytest -n 0 tests/test_export.py

lint: setup  ## complain of what ruff would write otherwise
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup  ## write it so
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

typecheck: setup  ## pyright
	$(BIN)/pyright

setup: .venv/ready  ## .venv alone

.venv/ready: requirements.txt requirements-dev.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "gan_jax needs Python 3.11 or newer: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt -r requirements-dev.txt
	touch $@

.venv-peers/ready: requirements.txt requirements-dev.txt benchmarks/peers/requirements.txt
	$(PYTHON) -m venv .venv-peers
	.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check $(^:%=-r %)
	touch $@

.venv-onnx/ready: requirements.txt requirements-dev.txt requirements-onnx.txt
	$(PYTHON) -m venv .venv-onnx
	.venv-onnx/bin/python -m pip install --quiet --disable-pip-version-check $(^:%=-r %)
	.venv-onnx/bin/python -m pip install --quiet --disable-pip-version-check --no-deps "jax2onnx>=0.17.1,<0.18"
	touch $@

clean:  ## remove the environments
	rm -rf .venv .venv-peers .venv-onnx

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
