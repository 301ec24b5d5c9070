# make demo: compress and restore the bundled samples, with what `pip install .` installs.
# make test: everything that must pass.   make quick: the tests that take less than a minute.
# make coverage: which lines the tests reach; it takes longer.
# Each sets up its environment first, from nothing if need be.

PYTHON ?= python3
BIN := .venv/bin
RUNTIME := .venv-runtime/bin

# A file's tests share fixtures. Files come in the order of tests/conftest.py: the slow ones first.
IN_TWO_PROCESSES := -n 2 --dist loadfile --no-loadscope-reorder

# Modules are compiled once: tests start hundreds of commands.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test quick lint types unit coverage runtime scale tables clean

demo: .venv-runtime/ready
	$(RUNTIME)/python benchmarks/demo.py demo

test: lint types unit runtime

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy

unit: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(IN_TWO_PROCESSES)

coverage: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(IN_TWO_PROCESSES) --cov --cov-report=term:skip-covered

quick: .venv/ready
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(IN_TWO_PROCESSES) -m 'not slow'

# The commands once more, where torch is not installed.
runtime: .venv-runtime/ready
	$(RUNTIME)/python -m pip install --quiet 'pytest>=8' 'pytest-xdist>=3.7' 'hypothesis>=6.100'
	OMP_NUM_THREADS=1 $(RUNTIME)/python -m pytest $(IN_TWO_PROCESSES) tests/cli

# Clusters, too: tests with workers that are killed take minutes.
scale: .venv/ready
	$(BIN)/python -m pip install --quiet --editable '.[scale]'
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest $(IN_TWO_PROCESSES) tests/cli/test_ray.py

# Puts the figures of benchmarks/results into the tables of README.md, docs and model cards.
tables: .venv/ready
	$(BIN)/python benchmarks/documents.py

# Of PyTorch, few modules are used; compiling all would take a minute.
.venv/ready: pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --editable '.[dev]'
	$(BIN)/python -m pip install --quiet --no-compile fsspec s3fs pyarrow 'moto[s3]' flask flask-cors
	touch $@

.venv-runtime/ready: pyproject.toml
	$(PYTHON) -m venv .venv-runtime
	$(RUNTIME)/python -m pip install --quiet --editable .
	touch $@

clean:
	rm -rf .venv .venv-runtime demo build *.egg-info .coverage .mypy_cache .pytest_cache .ruff_cache .hypothesis
