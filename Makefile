# Two commands do everything on a bare machine with Python 3.11 or newer:
#   make demo    compiles, verifies, renders and explains a real capture
#   make test    lints, type-checks and tests
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ORACLE := .venv-oracle
LOWEST := .venv-lowest
CAPTURE := examples/captures/a2_lite.nam
DEMO := build/demo
JOBS ?= 2
FUZZ ?= 20
FUZZ_SECONDS ?= 60
SWEEP_SECONDS ?= 300

.PHONY: demo test test-long sweeps coverage lint oracle fuzz toolchains clean

$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@

demo: $(VENV)/.installed
	$(BIN)/schedc compile $(CAPTURE) --target m33 --cores 2 --block 48 -o $(DEMO)
	$(BIN)/schedc verify $(CAPTURE) --target m33 --cores 2
	$(BIN)/schedc run $(CAPTURE) examples/captures/di.wav $(DEMO)/amp.wav
	$(BIN)/schedc explain $(CAPTURE) --target m33 --cores 2

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(BIN)/pytest -n $(JOBS) --dist worksteal

# Apart, because measuring triples the time.
coverage: $(VENV)/.installed
	$(BIN)/pytest -n $(JOBS) --cov --cov-report=term --cov-report=xml

# Before a release: every sweep whole, many times the examples, other ones each time, and the lowest versions that
# pyproject.toml allows.  docs/testing.md says what is only here.
test-long: $(VENV)/.installed $(LOWEST)/.installed
	SCHEDC_LONG=1 SCHEDC_FUZZ=$(FUZZ) $(BIN)/pytest -n $(JOBS)
	$(LOWEST)/bin/pytest -n $(JOBS) tests/analysis tests/backends tests/captures_as_data tests/cli tests/errors tests/frontend

# The sweeps of test-long that are the same each time, as far as they come in SWEEP_SECONDS.
sweeps: $(VENV)/.installed
	$(BIN)/python tests/sweeps.py $(SWEEP_SECONDS) $(JOBS)

$(LOWEST)/.installed: pyproject.toml
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/pip install --quiet uv
	$(LOWEST)/bin/uv pip install --quiet --python $(LOWEST)/bin/python --resolution lowest-direct --editable '.[dev]'
	touch $@

$(ORACLE)/.installed: examples/requirements-train.txt pyproject.toml
	$(PYTHON) -m venv $(ORACLE)
	$(ORACLE)/bin/pip install --quiet --upgrade pip
	$(ORACLE)/bin/pip install --quiet -r examples/requirements-train.txt
	$(ORACLE)/bin/pip install --quiet --editable '.[dev]'
	touch $@

# The second oracle: the public trainer's PyTorch output against the interpreter.
oracle: $(ORACLE)/.installed
	SCHEDC_ORACLE=1 $(ORACLE)/bin/pytest -q tests/oracle

# libFuzzer on the C header's checker of weight blobs; needs clang.
fuzz: $(VENV)/.installed
	$(BIN)/python tests/captures_as_data/fuzz_checker.py build/fuzz $(FUZZ_SECONDS)

# What the tests of linking, fuzzing and emulated boards use, on Debian; needs root.
toolchains:
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends make gcc g++ libc6-dev cmake gcc-arm-none-eabi qemu-system-arm \
	  qemu-user g++-aarch64-linux-gnu g++-arm-linux-gnueabihf libc6-dev-arm64-cross libc6-dev-armhf-cross libsndfile1 \
	  clang libclang-rt-dev lld graphviz

clean:
	rm -rf build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage coverage.xml
