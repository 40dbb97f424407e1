# Everything needs make, Python 3.11 or newer, and the package registry; nothing else, and no key.

PYTHON ?= python3
WORKERS ?= 2
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.DEFAULT_GOAL := help
.PHONY: help demo test check bench lock docs wheel clean

help: ## say what there is
	@grep -E '^[a-z.]+:.*## ' Makefile | sed -E 's/^([a-z.]+):.*## (.*)/make \1\t\2/' | expand -t 14

# The lock names everything, and Python compiles what it imports: half of an install's time is saved.
$(READY): requirements/dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "error: $(PYTHON) is older than Python 3.11; name a newer one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check --no-deps --no-compile --require-hashes \
	  -r requirements/dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $(READY)

$(VENV): $(READY) ## .venv from the lock, and the checkout in it

demo: $(READY) ## a new project in demo/, compiled with the embedded model (about 8 minutes on 2 cores)
	rm -rf demo
	$(BIN)/ragc init demo
	cd demo && ../$(BIN)/ragc compile --set candidates=2 --set attempts=16 --set k=1,2

test: $(READY) ## the tests, on WORKERS=2 processes side by side
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

check: $(READY) ## lint, format, types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY) ## the figures of the README
	$(BIN)/python benchmarks/all.py

docs: $(READY) ## docs/cli.md from the commands' own help
	$(BIN)/python docs/cli.py

lock: $(READY) ## requirements/dev.lock anew, for every supported Python
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 --generate-hashes --upgrade \
	  --no-header --no-annotate --no-emit-index-url --quiet --output-file requirements/dev.lock

wheel: $(READY) ## dist/ragc-….whl
	$(BIN)/python -m hatchling build -t wheel

clean: ## remove what make made
	rm -rf $(VENV) demo dist build .pytest_cache .mypy_cache .ruff_cache
