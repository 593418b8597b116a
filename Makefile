# `make demo` runs the main job, `make test` the tests, `make coverage` the tests while it measures them, `make bench` the
# measurements; `make docs` writes what is generated. Each sets everything up first, in .venv.
# `make demo ARGS=--full` shows every check and each step.
# Needs Python 3.11 or later with venv, make, and the package registries. PYTHON=python3.12 picks an interpreter.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test coverage lint bench docs clean

demo: .venv/demo
	@$(BIN)/usagefix demo $(ARGS)

test: .venv/dev
	$(BIN)/python -m pytest -n 3 --dist worksteal $(ARGS)

# The suite, measured: which lines and branches of usagefix ran. The floor is fail_under in pyproject.toml.
coverage: .venv/dev
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest -n 3 --dist worksteal $(ARGS); code=$$?; \
	$(BIN)/coverage combine --quiet && $(BIN)/coverage report && exit $$code

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/dev
	$(BIN)/python -m benchmarks $(ARGS)

docs: .venv/dev
	$(BIN)/python docs/generate.py
	$(BIN)/python docs/pictures.py

clean:
	rm -rf .venv dist .coverage* .pytest_cache .mypy_cache .ruff_cache .import_linter_cache

.venv/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "usagefix needs Python 3.11 or later; try make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

.venv/demo: .venv/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable '.[demo]'
	@touch $@

.venv/dev: .venv/demo
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@
