# make demo   set up, then run the main job on a real panorama with the bundled model
# make test   set up, then run the whole test suite
# make test-tools  the viewer and the page without a server in Chromium, which Debian's packages have
# make benchmark  the offline benchmark's table: about half an hour on two cores
# make check  lint and types

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: demo test test-tools benchmark check wheel-test clean

$(VENV)/.core: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(PIP) torch
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: $(VENV)/.core
	$(PIP) --editable ".[dev]"
	touch $@

demo: $(VENV)/.core
	$(BIN)/panodepth predict examples/interior.jpg examples/courtyard.jpg --out demo-out \
	  --format npz,preview,ply,glb,html
	@echo "demo-out/interior.glb is for Blender; demo-out/interior_preview.png shows photograph, distance and scale."
	@echo "Open in a browser, to walk in it and measure: demo-out/interior.html"

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2

$(VENV)/.tools: $(VENV)/.dev
	$(PIP) --editable ".[browser]"
	command -v chromium || (apt-get update -qq && apt-get install -qq -y chromium)
	touch $@

test-tools: $(VENV)/.tools
	$(BIN)/python -m pytest tests/tools

benchmark: $(VENV)/.dev
	$(BIN)/python benchmarks/rendered/table.py

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel-test: $(VENV)/.dev
	PYTHON=$(abspath $(BIN)/python) bash .ci/wheel-test

clean:
	rm -rf $(VENV) demo-out dist build
