# make demo   set up, then run the main job on a real panorama with the bundled model
# make test   set up, then run the whole test suite
# make benchmark  the offline benchmark's table: about half an hour on two cores
# make check  lint and types

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: demo test benchmark check wheel-test clean

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
	  --format npz,preview,ply,glb
	@echo "Open demo-out/interior_preview.png (photograph, distance and its scale), then"
	@echo "demo-out/interior.glb in Blender or any viewer of glTF, such as https://gltf-viewer.donmccurdy.com"

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2

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
