# Sets up what a command needs, in .venv, and runs it. `make help` lists the commands.

PYTHON ?= python3
VENV := .venv
PIP := $(VENV)/bin/pip --disable-pip-version-check --quiet
SOURCES := pyproject.toml setup.py $(wildcard pwconv/*.py pwconv/*.pyi) $(filter-out %.md,$(wildcard src_pyx/*))

# The package that runs is the one installed in .venv. Python finds the folder it is started from first, and
# pwconv/ here has no compiled core, so Python is started from another folder.
ELSEWHERE := cd $(VENV) &&

THREADS ?= 1
LAYER ?= 512-512@14
LAYOUT ?= NCHW

COVERAGE := --cov=pwconv --cov-config=../pyproject.toml --cov-report=term --cov-fail-under=95

.PHONY: help demo test soak sanitize qemu compilers mutants bench bench-full profile lint clean

help:
	@echo 'make demo [IMAGE=file]  separate the stains of a picture, write pwconv-demo.png'
	@echo 'make test [ARGS=...]    run the tests, with coverage; or pytest with ARGS'
	@echo 'make soak               a million calls by chance, a thousand forks, long runs of threads: ten minutes'
	@echo 'make sanitize           the core without Python under ASan, UBSan, TSan and valgrind'
	@echo 'make qemu               the tests of instruction sets on an imitated Nehalem and Haswell'
	@echo 'make compilers          builds by gcc and clang, with OpenMP and without, give the same bits; minutes'
	@echo 'make mutants [ARGS=...] break the core on purpose, or where ARGS say, and see the tests fail; minutes'
	@echo 'make bench [THREADS=1]  time a dozen layers beside other libraries, into bench/results; minutes'
	@echo 'make bench-full         the same with every layer'
	@echo 'make profile [LAYER=512-512@14] [LAYOUT=NCHW]  where the time of one layer goes, with perf'
	@echo 'make lint               ruff, cython-lint, mypy, stubtest'
	@echo 'make clean              remove what was built, and .venv'

demo: $(VENV)/extra-demo
	@set -e; picture=$(if $(IMAGE),"$$(realpath -- "$(IMAGE)")"); \
	$(ELSEWHERE) bin/python -m pwconv demo $${picture:+"$$picture"} --output "$(CURDIR)/pwconv-demo.png"

test: $(VENV)/extra-test
	@cd tests && ../$(VENV)/bin/python -m pytest $(or $(ARGS),$(COVERAGE))

soak: $(VENV)/extra-test
	@cd tests && ../$(VENV)/bin/python -m pytest -m 'soak or hypothesis' --hypothesis-profile=soak --durations=0 $(ARGS)

sanitize:
	$(call provide,$(call lacking,gcc:gcc valgrind:valgrind))
	@$(MAKE) --no-print-directory -C tests/core -j $$(nproc) --output-sync=target

qemu: $(VENV)/extra-test
	$(call provide,$(call lacking,qemu-x86_64:qemu-user))
	@cd tests && sh qemu.sh ../$(VENV)/bin/python

compilers: $(VENV)/extra-build
	$(call provide,$(call lacking,gcc:gcc clang:clang) $(if $(wildcard /usr/lib/llvm-*/lib/libomp.so),,libomp-dev))
	@cd tests && sh compilers.sh ../$(VENV)/bin/python

mutants: $(VENV)/extra-build
	$(call provide,$(call lacking,gcc:gcc ccache:ccache))
	@$(VENV)/bin/python tests/mutants.py $(ARGS)

bench: RESULTS = results/dozen-threads-$(THREADS).json
bench-full: RESULTS = results/full-threads-$(THREADS).json
bench-full: FULL := --full
bench bench-full: $(VENV)/extra-bench
	@mkdir -p bench/results
	@cd bench && ../$(VENV)/bin/python -m pytest --threads $(THREADS) $(FULL) -rs --benchmark-json=$(RESULTS) \
		--benchmark-columns=median,iqr,rounds --benchmark-sort=mean $(ARGS)
	@cd bench && ../$(VENV)/bin/python plots.py $(RESULTS) && ../$(VENV)/bin/python tables.py $(RESULTS)

profile: $(VENV)/installed
	@cd bench && OMP_NUM_THREADS=1 perf record -q -o ../$(VENV)/perf.data \
		../$(VENV)/bin/python hot.py $(LAYER) $(LAYOUT)
	@perf report -i $(VENV)/perf.data --stdio --percent-limit 1 2>/dev/null | sed '/^#/d; /^$$/d'
	@perf annotate -i $(VENV)/perf.data --stdio --stdio-color never 2>/dev/null | \
		awk '/Percent \|/ { symbols++ } symbols == 1 && $$2 == ":" && $$1 >= 0.5'

lint: $(VENV)/extra-lint
	$(VENV)/bin/ruff check --extend-exclude build .
	$(VENV)/bin/ruff format --check --extend-exclude build .
	PATH="$(CURDIR)/$(VENV)/bin:$$PATH" cython-lint src_pyx
	$(VENV)/bin/mypy --strict pwconv
	$(ELSEWHERE) bin/python -m mypy.stubtest pwconv._core

clean:
	rm -rf $(VENV) build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
	rm -rf tests/.coverage tests/.hypothesis tests/.pytest_cache bench/.pytest_cache
	find pwconv src_pyx tests bench -name __pycache__ -exec rm -rf {} +


$(VENV)/extra-%: $(VENV)/installed
	@echo 'Installing what make $* needs'
	@$(PIP) install 'pwconv[$*]'
	@touch $@

# What builds without isolation, and tests, need; pwconv itself is not among it.
$(VENV)/extra-build: | $(VENV)/bin/pip
	@$(PIP) install 'setuptools>=77' 'cython>=3.1' 'numpy>=2.0' pytest hypothesis
	@touch $@

$(VENV)/installed: $(SOURCES) | $(VENV)/bin/pip
	@echo 'Building and installing pwconv'
	@$(PIP) install .
	@touch $@

# Debian keeps ensurepip and Python's headers in packages of their own.
MISSING = $(shell command -v $${CC:-gcc} >/dev/null || echo gcc; \
	$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || echo python3-venv; \
	$(PYTHON) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' \
	|| echo python3-dev)

$(VENV)/bin/pip:
	$(call provide,$(MISSING))
	@echo 'Making $(VENV)'
	@$(PYTHON) -m venv --clear $(VENV)

# The packages of those `command:package` whose command there is not.
lacking = $(shell for pair in $(1); do command -v $${pair%%:*} >/dev/null || echo "$$pair" | cut -d: -f2; done)

# What is missing is installed when run as root, and named otherwise.
define provide
@missing='$(strip $(1))'; \
if [ -n "$$missing" ]; then \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing $$missing"; \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $$missing >/dev/null; \
	else \
		echo "Missing: $$missing. On Debian: sudo apt-get install $$missing" >&2; exit 1; \
	fi; \
fi
endef
