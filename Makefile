# Every target makes what it needs first. The environment is .venv; its contents are pinned,
# with hashes, by requirements.lock, and by the part of it that runs the platform and the
# demo, requirements-demo.lock. That of the container image is deploy/requirements.lock.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install install-all demo dev test torture examples lint style types imports definitions docs \
  reference marts marts-docs synth costs bench image image-check sbom lock clean

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
UV_LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
  --generate-hashes --no-strip-extras --no-emit-index-url --no-header
# More arguments for the command of a target: make test ARGS="-k orders"
ARGS ?=
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
  $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null \
  && echo $$python && break; done)

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: $(VENV)/.installed-demo ## make .venv with what the platform and the demo need

install-all: $(VENV)/.installed-all ## the same, and what tests, checks and docs need

demo: install ## run the whole platform on a made-up shop
	@$(BIN)/ecom demo $(ARGS)

dev: install ## open the Dagster UI on the demo's lake
	@$(BIN)/ecom dev $(ARGS)

test: install-all ## run the tests on all cores
	@$(BIN)/python -m pytest -n logical --dist loadfile --no-loadscope-reorder $(ARGS)

torture: install-all ## kill it, break its database, its S3 and its disk; count what is lost: ARGS=--short
	@$(BIN)/python -m ecom_platform_tests.torture $(ARGS)

examples: install-all ## run the commands of the README and the tutorials, as a reader would
	@$(BIN)/python -m pytest -n logical -m examples $(ARGS)

lint: style types imports definitions docs ## check style, types, direction of imports, definitions, docs

style: install-all
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/sqlfluff lint --quiet ecom_platform/dbt
	$(BIN)/hadolint deploy/Dockerfile
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.compose-spec deploy/compose.yaml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows \
	  deploy/ci/github-actions.yaml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.gitlab-ci deploy/ci/gitlab-ci.yaml

types: install-all
	$(BIN)/pyright

imports: install-all
	$(BIN)/lint-imports

definitions: install-all
	$(BIN)/dg check defs

docs: install-all ## build the docs into build/docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

reference: install-all ## write docs/reference anew from the code
	$(BIN)/python docs/generate_reference.py
	$(BIN)/python -m deploy.cdk.reference

marts: install-all ## bring what Dagster knows of dbt's marts in line with their files
	$(BIN)/python ecom_platform/dbt/generate.py
	$(BIN)/python docs/generate_reference.py

marts-docs: install-all ## build dbt's own docs of the marts, on the lake of the environment
	@mkdir -p build/dbt
	$(BIN)/ecom warehouse build build/dbt/warehouse.duckdb
	DBT_PROJECT_DIR=ecom_platform/dbt DBT_PROFILES_DIR=ecom_platform/dbt $(BIN)/dbt --quiet \
	  --log-path build/dbt docs generate --static --target-path $(CURDIR)/build/dbt \
	  --vars 'warehouse: $(CURDIR)/build/dbt/warehouse.duckdb'
	@echo "See build/dbt/static_index.html"

synth: install-all ## write the templates for AWS: ENVIRONMENT=staging IMAGE_TAG=1.0.0
	rm -rf build/cdk
	CDK_OUTDIR=build/cdk \
	  CDK_CONTEXT_JSON='{"environment": "$(ENVIRONMENT)", "image_tag": "$(IMAGE_TAG)"}' \
	  $(BIN)/python -m deploy.cdk.app
	$(BIN)/cfn-lint --config-file deploy/cdk/.cfnlintrc -- build/cdk/*.template.json

costs: install-all ## estimate what AWS costs in a month: ENVIRONMENT=production
	@$(BIN)/python -m deploy.cdk.costs --environment "$(ENVIRONMENT)"

bench: install-all ## measure the speed
	@for file in benchmarks/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

# The version is read without installing anything, so that a machine that only builds needs
# Docker alone. A configuration of pip reaches the build, and does not stay in the image.
IMAGE ?= ecom-platform
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' ecom_platform/__init__.py)
IMAGE_TAG ?= $(VERSION)
PIP_CONF ?=

image: ## build the container image with Docker: IMAGE=, IMAGE_TAG=, PIP_CONF=
	docker build --file deploy/Dockerfile --tag $(IMAGE):$(IMAGE_TAG) \
	  --build-arg VERSION=$(VERSION) --build-arg REVISION=$$(git rev-parse HEAD) \
	  --build-arg SOURCE=$$(git config --get remote.origin.url | sed 's#//[^/@]*@#//#') \
	  $(if $(PIP_CONF),--secret id=pip$(comma)src=$(PIP_CONF)) $(ARGS) .

image-check: install-all ## build the image without Docker and start each role (root, Debian)
	@$(BIN)/python -m pytest -m image -s $(ARGS)

sbom: install-all ## list what is in the image, as CycloneDX, in build/sbom.json
	@mkdir -p build
	$(BIN)/cyclonedx-py requirements --pyproject pyproject.toml --output-reproducible \
	  --output-file build/sbom.json deploy/requirements.lock

comma := ,

# Not from the lock: it must work while the lock is behind.
lock: $(BIN)/python ## bring all lock files in line with pyproject.toml
	@test -x $(BIN)/uv || $(PIP) 'uv>=0.9'
	@echo 'setuptools>=77' | $(UV_LOCK) --all-extras $(ARGS) -o requirements.lock pyproject.toml -
	@echo 'setuptools>=77' | $(UV_LOCK) --extra demo -c requirements.lock $(ARGS) \
	  -o requirements-demo.lock pyproject.toml -
	@echo 'setuptools>=77' | $(UV_LOCK) -c requirements.lock $(ARGS) \
	  -o deploy/requirements.lock pyproject.toml -

clean: ## remove .venv, caches and builds; never data
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find ecom_platform ecom_platform_tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed, and none is on PATH." \
	  "Name one: make install PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv --clear $(VENV)

# setuptools comes from the lock too, so nothing is built with an unpinned tool. `pip check`
# fails when a lock has fallen behind pyproject.toml.
$(VENV)/.installed-demo: requirements-demo.lock pyproject.toml $(BIN)/python
	@echo "Installing the platform into $(VENV) (a minute or so) ..."
	@$(PIP) --require-hashes -r requirements-demo.lock
	@$(PIP) --no-build-isolation --no-deps -e .
	@$(BIN)/python -m pip --disable-pip-version-check check
	@touch $@

$(VENV)/.installed-all: requirements.lock pyproject.toml $(BIN)/python
	@echo "Installing the platform and its tools into $(VENV) (a few minutes) ..."
	@$(PIP) --require-hashes --no-deps -r requirements.lock
	@$(PIP) --no-build-isolation --no-deps -e .
	@$(BIN)/python -m pip --disable-pip-version-check check
	@touch $@ $(VENV)/.installed-demo
