# make demo    set up, make the demo data, train and evaluate on it (minutes, no GPU needed)
# make test    set up and run the test suite
# make lint    check style and formatting
# make format  mend what lint finds, where that is mechanical
# make bench   the checks that train for minutes
# make sheets  draw the pictures of docs/augmentations anew
# make doctor  what is installed, what this machine can do, what is missing
# JOBS=4 make test uses four cores.
# PYTHON=python3.12 chooses the Python of .venv; EXTRAS=dev,gpu adds torchvision.
PYTHON ?= python3
EXTRAS ?= dev
JOBS ?= 2
BIN := .venv/bin
# idle CPU threads sleep; spinning, they slow a busy machine's steps several times
export OMP_WAIT_POLICY ?= passive
DEMO := configs/segformer/segformer_mit-b0_1xb16-8e_demo-64x64.py

.PHONY: help setup demo test lint format bench sheets doctor
help:
	@sed -n 's/^# \(.*\)/\1/p' Makefile

setup:
	@$(PYTHON) tools/setup_env.py --extras $(EXTRAS)

demo: setup
	$(BIN)/python tools/dataset_converters/demo.py data/demo
	$(BIN)/python tools/train.py $(DEMO)
	$(BIN)/python tools/analysis_tools/colour_baseline.py $(DEMO) --run work_dirs/$(basename $(notdir $(DEMO)))

test: setup
	$(BIN)/python -m pytest -m "not slow" -n $(JOBS) --dist loadfile --no-loadscope-reorder

bench: setup
	$(BIN)/python -m pytest -m slow -s

sheets: setup
	$(BIN)/python tools/dataset_converters/demo.py data/demo
	PYTHON=$(BIN)/python docs/augmentations/draw.sh

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

doctor: setup
	$(BIN)/python tools/doctor.py
