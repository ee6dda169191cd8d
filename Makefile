# The one list of commands; CI runs the same ones. `make` alone lists them.
#   make test PYTEST="-k samplers -x"     passes words on to pytest
#   make demo PORT=7861                   another port
#   make chaos ROUNDS=20                  fewer rounds
PYTHON ?= python3
PORT ?=
PYTEST ?=
ROUNDS ?= 200

BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
TEST := not thorough and not slow
QUICK := $(TEST) and not e2e and not ui and not chaos and not slurm and not benchmark
NONE := 5 # what pytest ends with where a selection (PYTEST="-k ...") has no test in a part
# Our own modules are read by hundreds of processes that the tests start; each would compile them anew.
export PYTHONDONTWRITEBYTECODE :=
# The tests share the cores with the jobs they start: one thread each.
RUN_TESTS := OMP_NUM_THREADS=1 TOKENIZERS_PARALLELISM=false $(BIN)/python -m pytest
# The quick tests leave thousands of small files, which take longer to delete from a disk than to write.
MEMORY := $(shell free=$$(df -k --output=avail /dev/shm 2>/dev/null | tail -n 1); [ "$${free:-0}" -gt 1000000 ] && echo /dev/shm)
IN_MEMORY := $(if $(MEMORY),TMPDIR=$(MEMORY))

# A part of `make test`: what it runs, and with which environment; the others are run all the same where it fails.
PART = $(2) $(RUN_TESTS) -n 2 $(1) $(PYTEST) || [ $$? -eq $(NONE) ] || failed=1

.PHONY: help demo test thorough lint check chaos slurm slow assets docs wheel clean

help:  ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## */  make \1\t/' | expand -t 20

demo: .venv/.studio  ## install, then start the studio with its bundled models
	$(BIN)/studio launch --demo $(if $(PORT),--port $(PORT))

test: .venv/.dev  ## install, then the tests: mathematics, processes, the page in a browser, kills
	failed=; \
	$(call PART,-m "$(QUICK)",$(IN_MEMORY)); \
	$(call PART,-m "e2e and $(TEST)" tests/unit tests/contract tests/golden); \
	$(call PART,--dist loadfile -m "$(TEST)" tests/e2e tests/ui); \
	$(call PART,-m "$(TEST)" tests/chaos); \
	[ -z "$$failed" ]

thorough: .venv/.dev  ## the tests that take longer than the others for what they tell
	$(RUN_TESTS) -n 2 --dist loadfile -m "thorough and not slow" $(PYTEST)

lint: .venv/.dev  ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright

check: lint  ## `make lint` and the quick tests, in under 90 seconds
	$(IN_MEMORY) $(RUN_TESTS) -q -n 2 -m "$(QUICK)" $(PYTEST)

chaos: .venv/.dev  ## kill servers, supervisors and jobs at random moments, for longer than `make test` does
	CHAOS_ROUNDS=$(ROUNDS) $(RUN_TESTS) -n 2 tests/chaos/test_kills.py $(PYTEST)

slurm: .venv/.dev  ## jobs on a Slurm cluster of two nodes, which it starts on this machine
	$(RUN_TESTS) tests/slurm $(PYTEST)

slow: .venv/.dev  ## tests on real models out of packages
	$(RUN_TESTS) -m slow $(PYTEST)

assets: .venv/.studio  ## train the bundled models and make their data again by the recipes: an hour or more
	$(BIN)/python -m assets.make_data
	set -e; for model in stories:bfloat16 sudoku-9x9:float32; do \
		name=$${model%%:*}; run=$$($(BIN)/studio run $$name --wait --home build/assets); \
		$(BIN)/python -m assets.bundle build/assets/runs/$$run $$name --dtype $${model##*:}; \
	done
	$(BIN)/python -m assets.measure stories
	$(BIN)/python -m assets.measure sudoku

docs: .venv/.dev  ## write docs/cli.md anew from the commands' own help
	$(BIN)/python -m studio.cli.reference docs/cli.md

wheel: .venv/.dev  ## build dist/*.whl
	rm -rf build dist
	$(BIN)/python -m build --wheel --outdir dist .

clean:  ## remove what was built; your home folder with runs and models stays
	rm -rf .venv build dist .pytest_cache .ruff_cache *.egg-info

$(BIN)/python:
	$(PYTHON) -m venv .venv

.venv/.studio: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e .
	@touch $@

.venv/.dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) -e ".[dev]"
	@touch $@ .venv/.studio
