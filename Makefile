# Every target sets up what it needs in .venv; PYTHON must be Python 3.11 or newer.
PYTHON ?= python3
BIN := .venv/bin
# Python keeps what it compiles, whatever the environment says: the tests start hundreds of processes,
# and one that compiles what it imports takes three times as long.
export PYTHONDONTWRITEBYTECODE =
# Python compiles what is imported; compiling every module takes as long as downloading them.
# Of an editable install, setuptools warns that folders named like the package come first, which the links in
# sysnoise/ are for.
PIP_INSTALL := -W 'ignore:Editable installation' -m pip install --quiet --no-compile
TEST_EXTRAS := demo dev jxl bench dask evaluate jpegli jpeglib skimage stb vips zune
LOCK = .venv-lock/bin/uv pip compile --quiet --upgrade --universal --python-version 3.11 \
    --generate-hashes --no-annotate --custom-compile-command 'make lock' \
    requirements/build.in setup.py

.PHONY: help demo dist test test-pythons test-extras test-slow test-browser test-readers test-frameworks test-exporters test-openvino test-cluster bench bench-scale results golden golden-extras docs picture catalogue deployed exporters-table lint style lock audit clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-13s %s\n", $$1, $$2}'

demo: .venv/demo ## generate two small sets from shipped photographs into demo/, with reports
	rm -rf demo
	$(BIN)/sysnoise demo --output demo

test: .venv/dev ## run all tests, on all cores
	$(BIN)/python -m pytest --numprocesses=logical --dist=worksteal

test-pythons: .venv/dev ## run the demo on each of Python 3.11 to 3.14 that is on the PATH: 2 GB, 2 minutes each
	$(BIN)/python -m pytest tests/pythons -m pythons

test-extras: .venv/extras ## run the tests of the extras jpeglib, dali and skia
	$(BIN)/python -m pytest -m extras

test-slow: .venv/dev ## run the slow tests, which take root: killed runs, full disks, mutated files, ...
	$(BIN)/python -m pytest -m slow

test-browser: .venv/dev ## run the tests in a browser, which must be installed: Chromium
	$(BIN)/python -m pytest tests/browser -m browser --numprocesses=logical --dist=loadfile

test-readers: .venv-readers/done ## run the examples of docs/reading.md, and the evaluators that read exports: 9 GB
	.venv-readers/bin/python -m pytest tests/readers --noconftest -m ""

test-frameworks: .venv-frameworks/done ## run models of PyTorch, TensorFlow, LiteRT and OpenVINO, as docs/predictors.md has them: 9 GB
	.venv-frameworks/bin/python -m pytest tests/frameworks --noconftest -m ""

test-exporters: .venv-frameworks/done ## export PyTorch's models and compare their noises with PyTorch's: 9 GB, 15 minutes
	.venv-frameworks/bin/python -m pytest tests/exporters --noconftest -m ""

test-openvino: .venv-openvino/done ## evaluate models with OpenVINO as ONNX Runtime's execution provider: 1 GB
	.venv-openvino/bin/python -m pytest tests/openvino --noconftest -m ""

exporters-table: .venv-frameworks/done ## write docs/exported-models.md: 40 minutes
	.venv-frameworks/bin/python -m tests.exporters.table docs/exported-models.md

test-cluster: .venv/dev .venv/bin/prism .venv/flink/done ## run the tests on clusters, which they start: Go, Java 17, Maven
	$(BIN)/python -m pytest -m cluster

bench: .venv-bench/done ## measure speed and memory into bench/: 20 minutes, 20 GB free, Linux
	.venv-bench/bin/python -m benchmarks --output bench

bench-scale: .venv-bench/done ## measure what sets of millions of images cost into bench-scale/: 15 minutes, 5 GB free, Linux
	.venv-bench/bin/python $(PIP_INSTALL) --editable '.[jxl]'
	.venv-bench/bin/python -m benchmarks.scale --output bench-scale

results: .venv/dev ## run real models on real photographs, and write docs/results.md: MODELS=folder DATA=folder
	$(BIN)/python -m benchmarks.results --models $(MODELS) --data $(DATA) --output results

golden: .venv/dev ## record the pixels that the libraries at hand give, in tests/golden/
	$(BIN)/python -m pytest tests/golden --rewrite

golden-extras: .venv/extras ## the same for the extras jpeglib, dali and skia
	$(BIN)/python -m pytest tests/golden --rewrite -m extras

docs: .venv-docs/done ## build the documentation as a site, in site/
	.venv-docs/bin/mkdocs build --quiet --strict

picture: .venv/dev ## draw the picture of README and of the documentation's first page
	$(BIN)/python -m benchmarks.noise_picture

catalogue: .venv/extras ## write docs/catalogue.md and its pictures, extras included
	$(BIN)/python -m benchmarks.catalogue

deployed: .venv-deployed/done ## compare the methods with libraries of the field, and write docs/deployed.md: DATA=folder; Node.js, Chromium, ImageMagick, 12 GB
	.venv-deployed/bin/python -m benchmarks.deployed --data $(DATA) --modules .venv-deployed/node_modules

lint: .venv/dev ## check style and types
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

style: .venv/dev ## rewrite the code in the project's style
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

lock: .venv-lock/done ## renew the versions and hashes in requirements/, which make installs
	$(LOCK) --extra demo --output-file requirements/demo.txt
	$(LOCK) $(addprefix --extra ,$(TEST_EXTRAS)) --output-file requirements/test.txt

audit: .venv-lock/done ## look for known vulnerabilities in what make installs: needs pypi.org
	.venv-lock/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements/test.txt

dist: .venv-dist/done ## build what the package index gets into dist/, and check it
	rm -rf dist
	.venv-dist/bin/python -m build
	.venv-dist/bin/twine check --strict dist/*

clean: ## remove the environment, caches and the demo's output
	rm -rf .cache .venv .venv-bench .venv-deployed .venv-dist .venv-docs .venv-frameworks .venv-lock .venv-openvino .venv-readers demo bench bench-scale results site build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache

.venv/demo: setup.py pyproject.toml requirements/demo.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python $(PIP_INSTALL) --require-hashes --requirement requirements/demo.txt
	$(BIN)/python $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	touch $@

.venv/dev: requirements/test.txt .venv/demo
	$(BIN)/python $(PIP_INSTALL) --require-hashes --requirement requirements/test.txt
	touch $@

.venv/extras: setup.py pyproject.toml .venv/dev
	$(BIN)/python $(PIP_INSTALL) --editable '.[stacks,dali]'
	touch $@

.venv/bin/prism: .venv/dev
	GOBIN=$(CURDIR)/.venv/bin go install github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0

.venv/flink/done: tests/cluster/flink/pom.xml .venv/dev
	mvn --quiet --batch-mode --file $< \
	    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies \
	    -DincludeScope=runtime -DoutputDirectory=$(CURDIR)/.venv/flink
	touch $@

.venv-lock/done:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python $(PIP_INSTALL) uv pip-audit
	touch $@

.venv-dist/done:
	$(PYTHON) -m venv .venv-dist
	.venv-dist/bin/python $(PIP_INSTALL) build twine
	touch $@

# An environment of its own, without what the tests need: Beam imports pandas where it finds it.
.venv-bench/done: setup.py pyproject.toml
	$(PYTHON) -m venv .venv-bench
	.venv-bench/bin/python $(PIP_INSTALL) --upgrade pip
	.venv-bench/bin/python $(PIP_INSTALL) --editable '.[demo,bench,stacks]'
	touch $@

# The frameworks beside this project: their models run as predictors, and are exported to ONNX.
.venv-docs/done: Makefile
	rm -rf .venv-docs
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python $(PIP_INSTALL) --upgrade pip
	.venv-docs/bin/python $(PIP_INSTALL) 'mkdocs-jupyter<1' 'mkdocs-material>=9.6,<10' 'mkdocstrings[python]<2' ruff
	touch $@

.venv-frameworks/done: setup.py pyproject.toml
	rm -rf .venv-frameworks
	$(PYTHON) -m venv .venv-frameworks
	.venv-frameworks/bin/python $(PIP_INSTALL) --upgrade pip
	.venv-frameworks/bin/python $(PIP_INSTALL) --editable '.[demo,evaluate]'
	.venv-frameworks/bin/python $(PIP_INSTALL) ai-edge-litert onnxscript openvino pytest tensorflow-cpu \
	    timm torch torchvision
	touch $@

# An environment of its own, because its ONNX Runtime is in the same files as that of evaluate.
.venv-openvino/done: setup.py pyproject.toml
	rm -rf .venv-openvino
	$(PYTHON) -m venv .venv-openvino
	.venv-openvino/bin/python $(PIP_INSTALL) --upgrade pip
	.venv-openvino/bin/python $(PIP_INSTALL) --editable '.[demo,evaluate-openvino]' pytest
	touch $@

# The libraries of the field, and sharp from npm.
.venv-deployed/done: setup.py pyproject.toml
	rm -rf .venv-deployed
	$(PYTHON) -m venv .venv-deployed
	.venv-deployed/bin/python $(PIP_INSTALL) --upgrade pip
	.venv-deployed/bin/python $(PIP_INSTALL) --editable '.[bench,demo,jxl,stacks]'
	.venv-deployed/bin/python $(PIP_INSTALL) dlib-bin jax kornia MNN ncnn openvino playwright \
	    rasterio SimpleITK tensorflow-cpu timm torch torchvision transformers
	npm install --silent --prefix .venv-deployed sharp
	touch $@

# The environment of a reader: of this project's dependencies, only those that reading needs.
.venv-readers/done: setup.py pyproject.toml .venv/demo
	rm -rf .venv-readers
	$(PYTHON) -m venv .venv-readers
	.venv-readers/bin/python $(PIP_INSTALL) --upgrade pip
	.venv-readers/bin/python $(PIP_INSTALL) --no-deps --editable .
	.venv-readers/bin/python $(PIP_INSTALL) fsspec jsonschema msgspec numpy pillow pyarrow pytest \
	    datasets duckdb pycocotools tensorflow-cpu timm torch torchvision ultralytics webdataset
	$(BIN)/sysnoise demo --output .venv-readers/made/demo
	for layout in imagefolder timm-wds; do \
	    $(BIN)/sysnoise export .venv-readers/made/demo/imagenet --layout=$$layout \
	        --variant=ffmpeg/pillow-bilinear/rgb --to=.venv-readers/made/exported/$$layout; \
	done
	$(BIN)/sysnoise generate imagenet --images=.venv-readers/made/demo/source/imagenet/images \
	    --label-file=.venv-readers/made/demo/source/imagenet/val.txt --grid=imagenet-one-factor \
	    --samples-per-shard=5 --output=.venv-readers/made/shards
	for layout in coco yolo; do \
	    $(BIN)/sysnoise export .venv-readers/made/demo/coco --layout=$$layout \
	        --variant=pillow/pillow-nearest/rgb --to=.venv-readers/made/exported/$$layout; \
	done
	touch $@
