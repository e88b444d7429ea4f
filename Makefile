# make demo   a made-up population, from files to a published release     make test   the whole suite
# make check  style, types, layers                                        make bench  speed, memory, accuracy
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= build/demo
PANEL ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test check bench clean

$(VENV)/.installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --requirement requirements.lock
	$(PIP) install --quiet --no-deps --editable .
	touch $@

demo: $(VENV)/.installed
	rm -rf $(DEMO)
	$(BIN)/shuyuan demo --workspace $(DEMO)

test: $(VENV)/.installed
	$(BIN)/python -m pytest

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks.ladder
	$(BIN)/python -m benchmarks.accuracy
	$(if $(PANEL),$(BIN)/python -m benchmarks.divisions_panel --panel $(PANEL),@echo "the national panel: make bench PANEL=FILE.parquet")

clean:
	rm -rf $(VENV) build
