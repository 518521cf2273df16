# One-word commands. `make serve` and `make test` are all a newcomer needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONFIG ?= config/default.toml

.PHONY: serve test lint unit gateway bench bench-phone bench-peers wer chaos soak observe voicemail placement cluster fuzz docs clean system

$(BIN)/openclaw-actors: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed") if sys.version_info < (3, 11) else None'
	@echo "Installing into $(VENV): 700 MB, mostly the speech libraries; a minute or two."
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install -qq --upgrade pip
	@$(BIN)/pip install -qq --editable .
	@touch $@

$(VENV)/.test: $(BIN)/openclaw-actors pyproject.toml
	$(BIN)/pip install -qq --editable '.[test]'
	@touch $@

serve: $(BIN)/openclaw-actors  ## start the host and print the console's address
	$(BIN)/openclaw-actors serve --config $(CONFIG)

system:  ## the programs that tests drive, from Debian, where it may
	@sh tests/install_programs.sh

# No --quiet for mkdocs: it then counts no warnings, and --strict is for nothing.
lint: $(VENV)/.test  ## style, types, layers, docs
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir build/site

# Calls run in real time and mostly wait, so three at once fit two cores. What fails beside others, on a machine that is
# busy, is tried once more by itself; what is broken fails again.
# Native tracebacks: CPython 3.11 may fail to parse source while threads do, and that ends the whole run.
PYTEST := $(BIN)/python -m pytest --tb=native
AGAIN := $(PYTEST) --last-failed --last-failed-no-failures none
unit: $(VENV)/.test
	$(PYTEST) -n 3 --dist worksteal -m 'not browser and not gateway and not cluster and not nodes' || $(AGAIN) -m 'not browser and not gateway and not cluster and not nodes'
	$(PYTEST) -m cluster || $(AGAIN) -m cluster
	$(PYTEST) -m browser || $(AGAIN) -m browser

test: system lint unit  ## all checks and all tests

build/gateway/.installed: tests/gateway/package.json tests/gateway/package-lock.json
	mkdir -p build/gateway
	cp $^ build/gateway
	cd build/gateway && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

gateway: $(VENV)/.test build/gateway/.installed  ## the suite of the agent's Gateway on the real one: 860 MB from npm, once
	$(PYTEST) tests/gateway -m gateway

bench: $(VENV)/.test  ## end of speech to voice, barge-in to silence, callers cut off, echoes, calls a core: tables
	$(BIN)/python -m tests.load.turn_latency
	$(BIN)/python -m tests.load.cut_offs
	$(BIN)/python -m tests.load.echo
	$(BIN)/python -m tests.load.density
	$(BIN)/python -m tests.load.one_way
	$(BIN)/python -m tests.load.start_up
	$(BIN)/python -m tests.load.frame_budget

bench-peers: $(VENV)/.test  ## how many calls a core holds, Pipecat and FastRTC beside it, installed for it: build/density.md and .svg
	$(BIN)/python -m tests.load.density --peers

wer: $(VENV)/.test  ## word errors of the recognisers, stability of partials, twelve callers at once: build/wer.md
	$(BIN)/python -m tests.load.word_errors --out build/wer.md

chaos: $(VENV)/.test  ## kills, faults and bad lines in real calls: build/chaos/report.md (PARTS="matrix storm": some of it)
	$(BIN)/python -m tests.chaos $(PARTS)

soak: $(VENV)/.test  ## 300 calls in waves, or HOURS of them, and what they leave behind: build/soak.md
	$(BIN)/python -m tests.load.soak $(if $(HOURS),--hours $(HOURS))

bench-phone: $(VENV)/.test  ## the same on media streams, and a hundred of them at once
	$(BIN)/python -m tests.load.media_streams

placement: $(VENV)/.test  ## where 100,000 calls go on 3,000 hosts, in simulation: a table
	$(BIN)/python -m tests.cluster.simulation

cluster: system $(VENV)/.test  ## a thousand histories, and several nodes of real Ray: hosts, engines and its head killed
	$(PYTEST) tests/cluster -m nodes

observe: $(VENV)/.test  ## things go wrong on a host: which alert tells, what the queries find; pictures of the dashboards
	$(BIN)/python -m tests.load.observe --pictures docs/pictures
	$(BIN)/python -m tests.load.scrapes

fuzz: $(VENV)/.test  ## thousands of requests made of /openapi.json, at a host with calls that are up
	$(BIN)/python -m tests.api.fuzz --examples $(or $(EXAMPLES),100)

docs: $(VENV)/.test
	$(BIN)/mkdocs build --strict --site-dir build/site

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
