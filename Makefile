# Every target sets up what it needs first, from nothing; a second run starts at once.
# Options for what runs: make test ARGS="-k clip -x"

.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON := .venv/bin/python
ARGS ?=

.PHONY: help demo case-study test check check-style check-types check-imports check-schemas ui bench fuzz explanations \
	mutants image test-kubeflow lock setup setup-base setup-kubeflow clean distclean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile

demo: setup ## Train a sound and two sick models on real data; see which are pushed, and why
	@$(PYTHON) -m pipeline demo $(ARGS)

case-study: setup ## Break an LSTM on real texts and mend it step by step; makes docs/case-study.md again
	@$(PYTHON) -m pipeline case-study --page docs/case-study.md $(ARGS)

test: setup setup-base ## Run the whole test suite
	@$(PYTHON) -m pytest $(ARGS)

check: check-style check-types check-imports check-schemas ## Check style, types, import contracts, published schemas and the lint's pages

ui: setup ## Open the MLflow UI on the workspace
	@$(PYTHON) -m pipeline ui $(ARGS)

bench: setup ## Run the benchmarks
	@set -e; for script in benchmarks/[a-z]*.py; do $(PYTHON) $$script $(ARGS); done

explanations: setup ## Train programs with a known fault each; see that what is explained mends them
	@$(PYTHON) benchmarks/explanations.py --check --out benchmarks/results/explanations.md $(ARGS)

fuzz: setup ## Fuzz the readers of policies, waivers, records and verdicts, for minutes
	@$(PYTHON) tests/faults/fuzz.py $(ARGS)

mutants: setup ## Put every known fault of a gate into ours; see which test finds it
	@$(PYTHON) tests/mutants/run.py $(ARGS)

image: ## Build the image of Kubeflow's steps; ARGS="gpu my-base" for another variant and base
	@sh kubeflow/build.sh $(ARGS)

test-kubeflow: setup-kubeflow ## Run the compiled package in real containers; minutes, needs Docker's engine
	@sh kubeflow/test.sh

lock: ## Make the locks again; UPGRADE=1 takes newer versions
	@sh requirements/bootstrap.sh lock $(if $(UPGRADE),--upgrade)

clean: ## Remove what runs have made; the environments stay
	@rm -rf workspace build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	@find pipeline components tests benchmarks requirements -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## Remove the environments too
	@rm -rf .venv .venv-base .venv-kubeflow .cache components/gradgate.egg-info

setup:
	@sh requirements/bootstrap.sh

setup-base: setup
	@sh requirements/bootstrap.sh base

setup-kubeflow:
	@sh requirements/bootstrap.sh kubeflow

check-style: setup
	@$(PYTHON) -m ruff check --quiet .
	@$(PYTHON) -m ruff format --quiet --check .

check-types: setup
	@$(PYTHON) -m mypy --no-error-summary
	@MYPYPATH=requirements/bootstrap $(PYTHON) -m mypy --no-error-summary requirements/bootstrap

check-imports: setup
	@.venv/bin/lint-imports --no-logo > .cache/import-contracts.log || { cat .cache/import-contracts.log; false; }

check-schemas: setup
	@$(PYTHON) -m gradgate.gate.schemas --check
	@$(PYTHON) -m gradgate.diagnosis.lint.pages --check
