# Needs Python 3.11 or newer and nothing else; everything is installed into .venv.
PYTHON ?= python3
BIN := .venv/bin
DATA ?=
PART ?=

.PHONY: demo test lint types pytest package matrix docs bench faults peers live mutants fuzz clean

demo: .venv/ready
	$(BIN)/voucherify-async demo $(if $(DATA),--data '$(DATA)')

test: lint types package pytest

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/ready
	$(BIN)/mypy
	$(BIN)/pyright

pytest: .venv/ready .venv/redis
	$(BIN)/coverage erase
	$(BIN)/coverage run -m pytest
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --fail-under=95 >coverage-report.txt || { cat coverage-report.txt; exit 1; }

# The wheel: built, looked at, and tried alone in a fresh environment.
package: .venv/ready
	$(BIN)/nox --tags package

# The same, and the tests against the wheel: on each Python that is there, with the oldest and newest dependencies, on
# uvloop. Some of it: .venv/bin/nox --session oldest -- tests/bulk
matrix: .venv/ready
	$(BIN)/nox

# The site, into site/: `python3 -m http.server --directory site` shows it. Any warning fails. What it is built with has an
# environment of its own, so that the tests need not wait for it.
docs: .venv-docs/ready
	NO_MKDOCS_2_WARNING=1 .venv-docs/bin/mkdocs build --strict --quiet

# All parts, three quarters of an hour; or some: make bench PART=calls, PART=peers, PART=bulk, PART=imports,levels. The figures go
# into benchmark-results.json too, those of PART=calls into benchmark-results-calls.json: they do not replace a whole run's.
bench: .venv/ready
	$(BIN)/python -m benchmarks --json 'benchmark-results$(if $(PART),-$(PART)).json' $(if $(PART),--parts '$(PART)')

# What is lost and what is done twice through faults, by this client and by others; counted on the server.
faults: .venv/ready
	$(BIN)/python -m benchmarks.faults

# Voucherify's own SDKs against the emulator, each in an environment of its own. `make peers RENEW=yes` keeps what they tell.
peers: .venv/ready
	$(BIN)/python -m pytest -m peers tests/peers

# The contract tests against the real service, a sandbox project, too; what differs from the emulator goes into
# live-differences.md. Without keys in the environment it says what it needs.
live: .venv/ready
	$(BIN)/python -m pytest --live tests/live

# Ten mistakes in the emulator and ten in the client, one after another in a copy: whether the tests find each.
mutants: .venv/ready
	$(BIN)/python -m tests.mutants

# schemathesis against the emulator, with more than the few requests of `make test`; needs Voucherify's documents.
fuzz: .venv/ready
	@test -e ../shared/voucherify-api/orders.json || { echo "fuzz: there is no ../shared/voucherify-api to go by"; exit 1; }
	SCHEMATHESIS_EXAMPLES=$(or $(EXAMPLES),200) $(BIN)/python -m pytest tests/emulator/test_schemathesis.py

.venv/ready: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev,fuzz]'
	@touch $@

# The one thing that pip does not install; Debian's package, if there is no redis-server yet.
.venv/redis: .venv/ready
	$(BIN)/python -m benchmarks.redisserver
	@touch $@

.venv-docs/ready: pyproject.toml
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

clean:
	rm -rf .venv .venv-docs .peers .nox site .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage* coverage-report.txt dist
