# One command each: `make test`, `make book`. Both install first if they have to.
# Needs Python >= 3.11 and make; `make lock` alone needs uv.

SHELL := /bin/bash
.DEFAULT_GOAL := help

VERSION_CHECK := import sys; sys.exit(sys.version_info < (3, 11))
# The first Python on the PATH that is new enough; `make install PYTHON=/path/to/python3.12` chooses another.
PYTHON ?= $(firstword $(shell for name in python3 python3.13 python3.12 python3.11; do \
	$$name -c '$(VERSION_CHECK)' 2>/dev/null && echo $$name; done) python3)
PROFILE ?= book
ARGS ?=

# Everything below uses relative paths, so that a clone may live in a folder with a space in its name.
PY := .venv/bin/python
# The stamp's name holds what was installed and where: a new lock, or a moved clone, installs again.
KEY := $(shell { cat requirements.lock pyproject.toml; pwd; } | cksum | cut -d' ' -f1)
STAMP := .venv/.installed-$(KEY)

.PHONY: help install test lint book shots bench lock clean

help:  ## list these targets
	@sed -nE 's/^([a-z]+):[^#]*## (.*)/make \1\t\2/p' Makefile | expand -t 16

install: $(STAMP)  ## make .venv with the locked versions and this package, editable

$(STAMP):
	@if ! $(PY) -c '$(VERSION_CHECK)' 2>/dev/null; then \
		$(PYTHON) -c '$(VERSION_CHECK)' 2>/dev/null || { \
			echo "clipcompat needs Python 3.11 or newer, but $(PYTHON) is $$($(PYTHON) -V 2>&1)." \
				"Run: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; exit 1; }; \
		$(PYTHON) -m venv --clear .venv || { \
			echo "$(PYTHON) could not make a virtual environment in .venv; its own words are above." \
				"If the folder cannot be written, clone elsewhere. If Python lacks its venv module, install it" \
				"(on Debian: python3-venv). Then run make again." >&2; exit 1; }; \
	fi
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@rm -f .venv/.installed-* && touch $(STAMP)

test: install  ## run the tests (ARGS="-k name" chooses some)
	@$(PY) -m pytest $(ARGS)

lint: install  ## check style: ruff, rules and format
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .

book: install  ## execute every notebook and build _build/html/index.html (PROFILE=smoke|book)
	@$(PY) -m book.tools.build --profile $(PROFILE) $(ARGS)

shots: install  ## photograph the built pages with Chromium, light and dark, into _build/shots
	@$(PY) -m book.tools.screenshot $(ARGS)

bench: install  ## measure fast paths against plain ones, into benchmarks/results/ (ARGS="--only coop-47")
	@$(PY) -m benchmarks.bench $(ARGS)

lock:  ## resolve requirements.lock again for Linux and macOS, Python 3.11 and later
	@command -v uv >/dev/null || { echo "make lock needs uv: pip install uv" >&2; exit 1; }
	@uv pip compile pyproject.toml --all-extras --group build --universal --python-version 3.11 \
		--fork-strategy fewest --generate-hashes --no-emit-index-url --custom-compile-command "make lock" \
		--upgrade --quiet --output-file requirements.lock

clean:  ## remove what was built; .venv stays
	rm -rf _build build *.egg-info .pytest_cache .ruff_cache
