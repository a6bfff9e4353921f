# Every command makes its own environment in .venv first; see scripts/environment.py.
#   make train              LeNet-5 on Spark, on the handwritten digits that ship with scikit-learn
#   make train DATA=folder  the same on MNIST's four idx files, gz or not
#   make test               the tests;  make test TESTS=tests/nn  some of them
#   make oldest             the tests of the door to the block manager, on the oldest Spark that is supported
#   make lint               ruff and mypy
#   make environment        the environment of the tests and of lint, and nothing in it
#   make wheel              the wheel, with the compiled door, in dist/
# CONSENT=1 lets a missing JDK be installed by apt as root without asking, CONSENT=0 never.

PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3.13 || command -v python3)
INSIDE = $(PYTHON) scripts/environment.py

OLDEST = tests/blockmanager/test_door.py tests/blockmanager/test_store.py

.PHONY: train test oldest lint wheel environment clean

train:
	$(INSIDE) --extra examples --extra tbb -- python examples/lenet.py $(if $(DATA),--data "$(DATA)") $(if $(EPOCHS),--epochs $(EPOCHS))

test:
	$(INSIDE) --extra dev -- python -m pytest $(TESTS)

oldest:
	$(INSIDE) --extra dev -- python scripts/oldest.py pyspark==4.0.0 py4j==0.10.9.9 -- -m pytest $(OLDEST)

lint:
	$(INSIDE) --extra dev -- ruff check .
	$(INSIDE) --extra dev -- mypy

environment:
	$(INSIDE) --extra dev

wheel:
	$(INSIDE) -- pip wheel -q --no-build-isolation --no-deps -w dist .

clean:
	rm -rf .venv .venv-oldest .jdk build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
