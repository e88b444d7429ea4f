# make demo   a made-up population, from files to a published release     make test   the whole suite
# make check  style, types, layers                                        make bench  speed and memory, minutes
# make test-deep  the same with more examples                             make bench-full  all, with larger rungs
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
DEMO ?= build/demo
PANEL ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check

.PHONY: demo test test-deep check bench bench-full clean

$(VENV)/.installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv $(VENV)
	$(PIP) install --quiet --requirement requirements.lock
	$(PIP) install --quiet --no-deps --editable .
	touch $@

demo: $(VENV)/.installed
	rm -rf $(DEMO)
	$(BIN)/shuyuan demo --workspace $(DEMO)

test: $(VENV)/.installed
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

test-deep: $(VENV)/.installed
	SHUYUAN_TESTS=deep $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder

check: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.installed
	$(BIN)/python -m benchmarks.ladder --size 1000000
	$(BIN)/python -m benchmarks.versus_splink --records 1000000 --save
	$(BIN)/python -m benchmarks.blocking --size 50000 --size 100000
	$(BIN)/python -m benchmarks.peers --records 100000 --rounds 1
	$(BIN)/python -m benchmarks.charts

bench-full: bench
	$(BIN)/python -m benchmarks.ladder --size 1000000 --size 2000000 --size 5000000
	$(BIN)/python -m benchmarks.peers --records 200000
	$(BIN)/python -m benchmarks.incremental
	$(BIN)/python -m benchmarks.search --records 1000000 --save
	$(BIN)/python -m benchmarks.api_load
	$(BIN)/python -m benchmarks.accuracy
	$(if $(SHUYUAN_DATA),$(BIN)/python -m benchmarks.datasets,@echo "public sets: make bench-full SHUYUAN_DATA=FOLDER")
	$(if $(PANEL),$(BIN)/python -m benchmarks.divisions_panel --panel $(PANEL),@echo "the national panel: make bench-full PANEL=FILE.parquet")
	$(BIN)/python -m benchmarks.charts

clean:
	rm -rf $(VENV) build
