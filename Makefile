# The work is done by Python and by .ci/environment; here are only the names.
python := .venv/bin/python
# More for pytest: make test ARGS="--slow -k kafka"; ARGS=-n0 runs in one process, for a debugger.
ARGS :=
# Compiled once, not at each of the hundreds of starts: some machines tell Python to keep nothing.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo up down test lint clean .jars .archives

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "make %-6s %s\n", $$1, $$2 }' Makefile

demo: .venv/in-step ## both main jobs over the bundled events, from a bare clone
	@$(python) -m jobs jars local
	@$(python) -m jobs demo

up: ## everything in containers: broker, emulator, generator, jobs, Jupyter, dashboard
	@docker compose up --build --wait
	@for at in dashboard:8501 jupyter:8888; do echo "$${at%:*} http://$$(docker compose port $${at%:*} $${at#*:})"; done

down: ## the containers and all they keep: topics, checkpoints, results
	@docker compose --profile '*' down --volumes

test: lint .jars .archives ## the whole suite: ruff, mypy, pytest
	@$(python) -m pytest -n 2 $(ARGS)

# Those of the jobs and of the tests that are not slow; a slow test fetches its own.
.jars: .venv/in-step
	@$(python) -m jobs jars && $(python) -m jobs jars broker kafka-spark-4.1 managed-kafka-spark-4.1 delta-spark-4.1

# With them, the hundreds of JVMs of the tests start in half the time.
.archives: .jars
	@$(python) -m jobs.laptop.class_archive && $(python) -m tests.support.kafka_broker

lint: .venv/in-step ## ruff and mypy only
	@$(python) -m ruff check . && $(python) -m ruff format --check . && $(python) -m mypy

clean: ## remove what runs leave; .venv and .jars stay
	@rm -rf .checkpoints .pubsublite .results .progress .dead-letters .dataproc artifacts dist spark-warehouse metastore_db derby.log .*_cache .hypothesis
	@find jobs sources docker tests -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/in-step: requirements.lock pyproject.toml .ci/environment
	@.ci/environment && touch $@
