# One command each: `make test`, `make book`. Both install first if they have to.
# Needs Python >= 3.11 and make; `make lock` alone needs uv.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# The Pythons for which every package of the lock has a wheel, on Linux (x86_64, aarch64) and macOS 14 (arm64).
VERSION_CHECK := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))
# The first such Python on the PATH; `make install PYTHON=/path/to/python3.12` chooses another.
PYTHON ?= $(firstword $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$name -c '$(VERSION_CHECK)' 2>/dev/null && echo $$name; done) python3)
PROFILE ?= book
ARGS ?=

# CPU=1 leaves CUDA out: torch and torchvision come from PyTorch's CPU index, without hashes of ours, and the rest from
# the lock. An environment made so stays so; `make install CPU=` makes one with CUDA again. macOS has no CUDA packages.
CPU ?= $(if $(wildcard .venv/.installed-cpu-*),1)
KIND := $(if $(filter 1Linux,$(CPU)$(shell uname -s)),cpu,all)
CPU_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH = $(shell sed -nE 's/^((torch|torchvision)==[^ ]+).*/\1/p' requirements.lock)
CUDA := ^(torch|torchvision|triton|cuda-[a-z0-9-]+|nvidia-[a-z0-9-]+)==

# Everything below uses relative paths, so that a clone may live in a folder with a space in its name.
PY := .venv/bin/python
PIP := $(PY) -m pip install --quiet --disable-pip-version-check
# The stamp's name holds what was installed and where: a new lock, or a moved clone, installs again.
KEY := $(KIND)-$(shell { cat requirements.lock pyproject.toml; pwd; } | cksum | cut -d' ' -f1)
STAMP := .venv/.installed-$(KEY)

.PHONY: help install test test-lowest test-newest lint book notebooks colab-check test-browser serve shots bench kills lock fork-address clean

help:  ## list these targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/make \1\t\2/p' Makefile | expand -t 20

install: $(STAMP)  ## make .venv with the locked versions and this package, editable (CPU=1: without CUDA)

$(STAMP):
	@folder=.; [ -d .venv ] && folder=.venv; [ -w $$folder ] || { \
		echo "make $(or $(MAKECMDGOALS),install) installs into .venv, but this folder cannot be written:" \
			"$$PWD. Clone the project to a folder of your own, or ask its owner to run: make install" >&2; exit 1; }
	@if ! $(PY) -c '$(VERSION_CHECK)' 2>/dev/null || ls .venv/.installed-* 2>/dev/null | grep -q$(if $(filter cpu,$(KIND)),v) -e -cpu-; then \
		$(PYTHON) -c '$(VERSION_CHECK)' 2>/dev/null || { \
			echo "clipcompat's requirements.lock is for Python 3.11 to 3.14, but $(PYTHON) is $$($(PYTHON) -V 2>&1)." \
				"Run: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }; \
		$(PYTHON) -m venv --clear .venv || { \
			echo "$(PYTHON) could not make a virtual environment in .venv; its own words are above." \
				"If Python lacks its venv module, install it (on Debian: python3-venv). Then run make again." >&2; \
			exit 1; }; \
	fi
ifeq ($(KIND),cpu)
	awk '/^[a-z0-9]/ {kept = ($$0 !~ /$(CUDA)/)} kept' requirements.lock > .venv/without-cuda.lock
	$(PIP) --no-deps --index-url $(CPU_INDEX) $(TORCH)
	$(PIP) --no-deps --require-hashes -r .venv/without-cuda.lock
else
	$(PIP) --require-hashes -r requirements.lock
endif
	$(PIP) --no-deps --no-build-isolation -e .
	@rm -f .venv/.installed-* && touch $(STAMP)

# One process per core, four at most: each has torch, and a backbone of full size. A test file stays in one of them.
# One thread in each, or they would wait for each other. JOBS= runs all in one process, which a debugger needs.
JOBS ?= -n logical --maxprocesses 4 --dist loadfile

test: install  ## run the tests (ARGS="-k name" chooses some)
	@OMP_NUM_THREADS=1 $(PY) -m pytest $(JOBS) $(ARGS)

test-lowest:  ## the tests with the oldest direct dependencies that pyproject.toml allows (needs uv)
	@$(call TEST_IN_NEW,--python 3.11,--resolution lowest-direct)

test-newest:  ## the tests with the newest versions there are (needs uv; NOTEBOOKS=smoke: the chapters, too)
	@$(call TEST_IN_NEW,--python $(PYTHON),,$(if $(NOTEBOOKS), && \
		"$$new/bin/python" -m book.tools.runs.notebooks --profile $(NOTEBOOKS)))

# In a new environment, which is removed at the end: $(1) chooses Python, $(2) versions, $(3) follows. It takes 6 GB under $TMPDIR.
TEST_IN_NEW = $(NEEDS_UV); \
	new=$$(mktemp -d) && trap 'rm -rf "$$new"' EXIT && \
	uv venv --quiet --clear $(1) "$$new" && export VIRTUAL_ENV="$$new" && \
	uv pip install --quiet -r pyproject.toml --all-extras --group build $(2) && \
	uv pip install --quiet --no-deps --no-build-isolation -e . && uv pip freeze && \
	OMP_NUM_THREADS=1 "$$new/bin/python" -m pytest $(JOBS) $(ARGS)$(3)
NEEDS_UV = command -v uv >/dev/null || { echo "make $@ needs uv: pip install uv" >&2; exit 1; }

lint: install  ## check style: ruff, rules and format
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

book: install  ## execute every notebook and build _build/html/index.html (PROFILE=smoke|book)
	@$(PY) -m book.tools.build --profile $(PROFILE) $(ARGS)

notebooks: install  ## execute every notebook, for a page of what ran (PROFILE=smoke|book|paper)
	@$(PY) -m book.tools.runs.notebooks --profile $(PROFILE) $(ARGS)

colab-check: install  ## run every notebook as on Colab: the wheel, another folder, no checkout (ARGS="--only 00_start_here")
	@$(PY) -m book.tools.runs.colab $(ARGS)

test-browser: install  ## open the built pages in Chromium, without a network (after make book)
	@$(PY) -m pytest -m browser $(ARGS)

serve:  ## show the built pages at http://localhost:8000 (after make book)
	@python3 -m http.server --directory _build/html 8000

shots: install  ## photograph the built pages with Chromium, 1280 and 360 wide, light and dark, into _build/shots
	@$(PY) -m book.tools.runs.screenshot $(ARGS)

bench: install  ## measure fast paths against plain ones, into benchmarks/results/ (ARGS="--only coop-47")
	@$(PY) -m benchmarks.bench $(ARGS)

kills: install  ## kill workers and drivers of sweeps at random, in the pool and on Ray: is anything lost?
	@for engine in pool ray; do OMP_NUM_THREADS=1 $(PY) -m benchmarks.kills --engine $$engine $(ARGS) || exit 1; done

lock:  ## resolve requirements.lock again for Linux and macOS, Python 3.11 to 3.14 (needs uv)
	@$(NEEDS_UV)
	@uv pip compile pyproject.toml --all-extras --group build --universal --python-version 3.11 \
		--fork-strategy fewest --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
		--upgrade --quiet --output-file requirements.lock
	@for python in 3.11 3.14; do for system in x86_64-manylinux_2_28 aarch64-manylinux_2_28 aarch64-apple-darwin; do \
		MACOSX_DEPLOYMENT_TARGET=14.0 uv pip compile requirements.lock --no-deps --only-binary :all: --quiet \
			--python-version $$python --python-platform $$system --output-file /dev/null || exit 1; done; done

fork-address: install  ## write the repository's address of _config.yml wherever the project names it
	@$(PY) -m book.tools.runs.address

clean:  ## remove what was built; .venv stays
	rm -rf _build build *.egg-info .pytest_cache .ruff_cache
