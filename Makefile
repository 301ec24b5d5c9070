# make demo: compress and restore the bundled samples.   make test: everything that must pass.
# Each sets up .venv first, from nothing if need be.

PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test lint types unit tables clean

demo: .venv/ready
	$(BIN)/python benchmarks/demo.py demo

test: lint types unit

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy

unit: .venv/ready
	$(BIN)/python -m pytest --cov --cov-report=term:skip-covered

# Puts the figures of benchmarks/results into the tables of README.md, docs and model cards.
tables: .venv/ready
	$(BIN)/python benchmarks/documents.py

.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

clean:
	rm -rf .venv demo build *.egg-info .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis
