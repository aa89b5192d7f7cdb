# lvef: everything below happens in .venv; nothing else on the machine is touched.
# Needs GNU make and Python 3.11 to 3.14. Another Python: make demo PYTHON=/path/to/python3.12

PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.14 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null && echo $$p && exit; \
	done; echo python3)
VENV ?= .venv
TESTFLAGS ?= -n auto --dist loadscope
FUZZFLAGS ?=
TORCHFLAGS ?=
DOCSFLAGS ?=
FAULTSFLAGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
FROM_LOCK := install --require-hashes --no-deps --only-binary :all:
OWN := pyproject.toml hatch_build.py README.md src/lvef/__init__.py weights/lvef-weights-camus/pyproject.toml

.PHONY: help demo app app-env test test-rest fuzz fuzz-guided faults check docs format train-env ray-env lock clean
.DEFAULT_GOAL := help

help: ## Show this list
	@grep -E '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## (.*)/  make \1|\2/' | \
		awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

demo: $(VENV)/.installed ## Install what measuring needs, then measure a real apical cine into out/demo
	$(BIN)/lvef demo --out out/demo

app: $(VENV)/.serve ## Install what the page needs, then open it (lvef app)
	$(BIN)/lvef app

app-env: $(VENV)/.serve ## Add what page and service need (lvef app, lvef serve)

test: $(VENV)/.test ## Install what tests need, then run them, in about 5 minutes (TESTFLAGS="-k beats" picks some)
	$(BIN)/python -m pytest $(TESTFLAGS)

test-rest: $(VENV)/.test $(VENV)/.ray ## Run what make test leaves out: slow, browser, CAMUS, Ray; training after make train-env
	$(BIN)/python -m pytest $(TESTFLAGS) -m "slow or browser or realdata or training"

fuzz: $(VENV)/.test ## Read 100,000 mutated files with every reader, nightly (FUZZFLAGS="--only avi --inputs 500"); resumes from out/fuzz
	$(BIN)/python -m tests.fuzz $(FUZZFLAGS)

fuzz-guided: $(VENV)/.test ## The same with inputs that reach new branches, kept in out/guided; installs atheris (FUZZFLAGS="--seconds 600")
	$(PIP) install atheris
	$(BIN)/python -m tests.fuzz.guided $(FUZZFLAGS)

faults: $(VENV)/.test $(VENV)/.ray ## Disturb every command at random moments, 100 times each, for a night (FAULTSFLAGS="measure --trials 10")
	$(BIN)/python -m tests.faults $(FAULTSFLAGS)

check: $(VENV)/.check ## Format, lint, types, layers, documents, words
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache
	$(BIN)/python -m pytest -q tests/test_house.py tests/test_docs.py tests/test_layers.py tests/test_words.py

docs: $(VENV)/.docs ## Build the documentation site into out/site, without network, and check it (notebooks run: some minutes)
	$(BIN)/python -m docsite $(DOCSFLAGS)

format: $(VENV)/.check ## Put the code into its format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

train-env: $(VENV)/.test ## Add what training needs (TORCHFLAGS="--index-url URL" picks another build of torch)
	$(PIP) $(FROM_LOCK) -r requirements/train.txt
	$(PIP) install $(TORCHFLAGS) -r requirements/torch.txt

ray-env: $(VENV)/.ray ## Add what a Ray cluster needs (lvef measure --ray), and the S3 server of its tests

# One resolution for all, then a file for each purpose, so that they agree. Nothing about indexes or this machine is written.
UV := UV_CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--fork-strategy fewest --no-emit-index-url --no-emit-find-links --no-annotate --excludes requirements/never.in
INPUT := pyproject.toml requirements/build.in
AGREED := $(VENV)/agreed.txt

lock: $(VENV)/.check ## Renew requirements/*.txt with the newest releases
	$(UV) --upgrade --extra test --extra check --extra train --extra app --extra service --extra docs --extra samples --extra ray -c requirements/torch.txt $(INPUT) -o $(AGREED)
	$(UV) --upgrade --generate-hashes -c $(AGREED) --extra samples $(INPUT) -o requirements/run.txt
	$(UV) --upgrade --generate-hashes -c $(AGREED) --extra samples --extra app --extra service --extra dicom $(INPUT) -o requirements/serve.txt
	$(UV) --upgrade --generate-hashes -c $(AGREED) --extra test $(INPUT) -o requirements/test.txt
	$(UV) --upgrade --generate-hashes -c $(AGREED) --extra check --extra test $(INPUT) -o requirements/check.txt
	$(UV) --upgrade --generate-hashes -c $(AGREED) --extra samples --extra docs $(INPUT) -o requirements/docs.txt
	$(UV) --upgrade --generate-hashes -c $(AGREED) --extra samples --extra train --excludes requirements/torch-cuda.in \
		--no-emit-package torch $(INPUT) -o requirements/train.txt
	$(UV) --upgrade --generate-hashes -c $(AGREED) --extra samples --extra ray $(INPUT) -o requirements/ray.txt
	$(UV) --upgrade --generate-hashes requirements/s3server.in -o requirements/s3server.txt
	$(BIN)/python deploy/root_requirements.py > requirements.txt

clean: ## Remove .venv, caches and outputs of the demo
	rm -rf $(VENV) out/demo out/site out/site-source .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find src tests studies weights benchmarks docsite -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null || { \
		echo "lvef needs Python 3.11 to 3.14, but $(PYTHON) is: $$($(PYTHON) --version 2>&1). Name another: make demo PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
		echo "$(PYTHON) cannot make virtual environments. On Debian and Ubuntu run: sudo apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@

$(VENV)/.run: $(VENV)/.python requirements/run.txt
	@echo "Installing what measuring needs (about 1 GB on the disk, a minute or two) ..."
	$(PIP) $(FROM_LOCK) -r requirements/run.txt
	@touch $@

# The build backend comes from the lock as well, hence no build isolation.
$(VENV)/.installed: $(VENV)/.run $(OWN)
	$(PIP) install --no-deps --no-build-isolation --no-index -e . -e weights/lvef-weights-camus
	@touch $@

$(VENV)/.serve: $(VENV)/.installed requirements/serve.txt
	$(PIP) $(FROM_LOCK) -r requirements/serve.txt
	@touch $@

$(VENV)/.test: $(VENV)/.installed requirements/test.txt
	$(PIP) $(FROM_LOCK) -r requirements/test.txt
	@touch $@

# The server has an environment of its own: its packages want others than lvef's.
$(VENV)/.ray: $(VENV)/.test requirements/ray.txt requirements/s3server.txt
	$(PIP) $(FROM_LOCK) -r requirements/ray.txt
	$(PYTHON) -m venv $(VENV)/s3server
	$(VENV)/s3server/bin/python -m pip --disable-pip-version-check --quiet $(FROM_LOCK) -r requirements/s3server.txt
	@touch $@

$(VENV)/.check: $(VENV)/.test requirements/check.txt
	$(PIP) $(FROM_LOCK) -r requirements/check.txt
	@touch $@

$(VENV)/.docs: $(VENV)/.installed requirements/docs.txt
	$(PIP) $(FROM_LOCK) -r requirements/docs.txt
	@touch $@
