# Every verb sets itself up in .venv from nothing but python3.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
# Processes of the tests; each loads what all tests import, 1 GB.
JOBS ?= 2
PYTEST := $(BIN)/python -m pytest -q -n $(JOBS)
# For `make gpu`: minutes of training, folders of data sets, and an interpreter to use as it is, which installs nothing.
MINUTES ?= 30
DATA ?=
GPU_PYTHON ?=
# More options of tools/gpu.py, such as --device cpu for a rehearsal.
GPU_OPTIONS ?=
# For `make release` where images cannot be fetched: --base-from-debootstrap
IMAGE_OPTIONS ?=
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check

define BUILD
rm -rf dist
$(BIN)/python -m build
$(BIN)/twine check --strict dist/*
endef

.DEFAULT_GOAL := help
.PHONY: help serve test test-fast lint types format docs site lock bench gpu release publish clean

help:  ## Show the verbs
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 18

serve: $(VENV)/serve.installed  ## Start the inference server with the bundled model (no torch needed)
	$(BIN)/zoo serve

test: lint types  ## Lint, check types and run the tests
	$(PYTEST) --dist loadfile

test-fast: $(VENV)/dev.installed  ## Run the tests that take under a minute together
	$(PYTEST) --dist worksteal -m 'not slow and not process and not browser'

lint: $(VENV)/dev.installed  ## Check style and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	[ ! -x $(BIN)/hadolint ] || $(BIN)/hadolint Dockerfile

types: $(VENV)/dev.installed  ## Check types
	$(BIN)/mypy

format: $(VENV)/dev.installed  ## Format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/dev.installed  ## Write the tables that are made from the registry, the models, measurements and the records of runs
	$(BIN)/python docs/tables.py
	$(BIN)/python docs/performance_plot.py
	$(BIN)/python docs/serving_plot.py
	$(BIN)/zoo reproduce --only-write
	$(BIN)/zoo claims --only-write

site: $(VENV)/site.installed  ## Build the website of the documentation into build/site
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

lock: $(VENV)/dev.installed  ## Write the newest versions of all packages to constraints.txt
	$(BIN)/uv export --upgrade --all-extras --all-groups --no-emit-project --no-hashes --no-annotate --no-header \
		--output-file constraints.txt > /dev/null

bench: $(VENV)/bench.installed  ## Measure; raw results go to benchmarks/results
	$(BIN)/python benchmarks/inference.py
	$(BIN)/python benchmarks/training_speed.py
	$(BIN)/python benchmarks/serving.py
	$(BIN)/python benchmarks/serving.py --model dn100-ours-c --images 640x480 --clients 32 --seconds 8 --rates
	$(BIN)/python benchmarks/soak.py
	$(BIN)/python -m pytest -q --hypothesis-profile thorough tests/serve/http/test_fuzz.py

gpu: $(if $(GPU_PYTHON),,$(VENV)/gpu.installed)  ## Test, measure and train on a GPU, for MINUTES of training; logs are in build/gpu
	$(or $(GPU_PYTHON),$(BIN)/python) tools/gpu.py --minutes $(MINUTES) $(if $(DATA),--data $(DATA)) $(GPU_OPTIONS)

release: $(VENV)/release.installed  ## Build wheel and sdist and try what was built; uploads nothing
	$(BUILD)
	$(BIN)/python deploy/complete_models.py build/models
	$(BIN)/python -m pytest -q deploy/release
	deploy/build_image.sh $(IMAGE_OPTIONS)

publish: release  ## Release: after make release, publish the models, and the wheel that has their commits
	ZOO_WEIGHTS=build/models $(BIN)/zoo publish --all --to template-zoo --pins zoo/hub/releases.json
	$(BUILD)
	$(BIN)/python -m pytest -q deploy/release/test_contents.py
	$(BIN)/twine upload dist/*
	git commit --message "Version $(VERSION)" CHANGELOG.md zoo/hub/releases.json
	git tag "v$(VERSION)"
	@echo "to end: git push --follow-tags"

clean:  ## Remove what the other verbs made
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .grimp_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/serve.installed: PACKAGES = --editable '.[serve]'
$(VENV)/%.installed: PACKAGES = --group $* --editable .
$(VENV)/%.installed: pyproject.toml | $(VENV)
	@echo "installing what '$*' needs into $(VENV)"
	$(PIP) $(PACKAGES)
	touch $@

# Packages of a dependency group, without the zoo itself: the API reference is read from the source.
$(VENV)/site.installed: pyproject.toml | $(VENV)
	@echo "installing what 'site' needs into $(VENV)"
	$(PIP) --group site
	touch $@

$(VENV):
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade 'pip>=25.1'
