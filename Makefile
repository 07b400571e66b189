# Every target sets up what it needs in .venv, and does it again only when its sources have changed.
PYTHON ?= $(or $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done),python3)
JOBS ?= $(shell nproc)
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet
PYX := $(wildcard veneurpy/engine/native/*.pyx)
HEADERS := $(wildcard veneurpy/engine/native/*.h)
NATIVE := $(PYX) $(HEADERS) $(wildcard veneurpy/engine/native/*.pxd)
STUBBED := $(subst /,.,$(basename $(wildcard veneurpy/engine/native/*.pyi)))
FROM_PROJECT = $$($(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))$(1))')
BUILD_EXT = $(BIN)/python setup.py --quiet build_ext --inplace --parallel $(JOBS)
FAIL = { echo "veneurpy: $(1)" >&2; exit 1; }

.DEFAULT_GOAL := help
.PHONY: help run test check bench peers asan fuzz soak docs services clean build
.DELETE_ON_ERROR:

help: ## Show these targets
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: build ## Run the daemon; ARGS="-f config/host.yaml" passes options on
	$(BIN)/veneurpy run $(ARGS)

test: build $(VENV)/.dev ## Run every test; ARGS="-k udp" passes options on, "-n0 --pdb" runs them in one process
	$(BIN)/pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile $(ARGS)

check: build $(VENV)/.dev ## Format, lint, types, stubs, layers
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest --concise --mypy-config-file pyproject.toml --allowlist tests/stubtest.allow $(STUBBED)
	PATH="$(BIN):$$PATH" cython-lint veneurpy
	$(BIN)/pytest -q tests/unit/test_layers.py

bench: build $(VENV)/.dev ## Measure the speed beside the yardsticks; ARGS="udp_cpu" asks one question only
	$(BIN)/python -m benchmarks.bench $(ARGS)

peers: build/peers/veneur-proxy build/peers/statsd_exporter build/peers/statsd ## Build the other daemons that `make bench` measures beside ours; needs Go and npm

soak: build $(VENV)/.dev ## Load a daemon for ten minutes; ARGS="--seconds 60" for less
	$(BIN)/python -m benchmarks.soak $(ARGS)
	$(BIN)/python -m benchmarks.attack
	$(BIN)/python -m benchmarks.hostile
	$(BIN)/python -m benchmarks.kills
	$(BIN)/python -m tests.chaos
	VENEURPY_RECOVERY=long $(BIN)/pytest -rP tests/recovery tests/integration/test_outage.py tests/integration/test_fleet.py tests/chaos
	VENEURPY_SCHEDULES=4000 $(BIN)/pytest tests/model

asan: build $(VENV)/.dev ## The native tests with address and undefined behaviour sanitizers; ARGS="-k digest"
	@$(MAKE) --no-print-directory --jobs $(JOBS) $(ASAN)
	LD_PRELOAD=$$(gcc -print-file-name=libasan.so) PYTHONMALLOC=malloc VENEURPY_BUILD=build/asan \
		ASAN_OPTIONS=detect_leaks=0 UBSAN_OPTIONS=print_stacktrace=1 HYPOTHESIS_PROFILE=brief \
		$(BIN)/python -m pytest --capture=sys -p tests.sanitized $(ASAN_TESTS) $(ARGS)

fuzz: build $(VENV)/.fuzz ## Look for inputs that break the native modules; SECONDS=600 ARGS="lines arenas"
	@$(MAKE) --no-print-directory --jobs $(JOBS) $(FUZZ)
	$(BIN)/python -m tests.fuzz --build build/fuzz --seconds $(SECONDS) $(ARGS)

docs: build $(VENV)/.dev ## Write the pages that are computed: configuration and accuracy
	$(BIN)/python -m veneurpy.config.document > docs/configuration.md
	$(BIN)/python -m benchmarks.accuracy

services: ## Install what tests need beside Python packages, where it is missing: clang, other languages' clients, Veneur
	@missing="$$(for p in $(PACKAGES); do dpkg-query -W -f='$${Status}' $$p 2>/dev/null | \
		grep -q 'ok installed' || echo $$p; done)"; test -z "$$missing" || { \
		export DEBIAN_FRONTEND=noninteractive; apt-get update --quiet=2 && \
		apt-get install --quiet=2 --no-install-recommends $$missing >/dev/null; } || \
		$(call FAIL,$$missing could not be installed: 'make services' needs apt-get and to be root.)
	@$(MAKE) --no-print-directory build/clients/node_modules build/clients/datadog_go
	@command -v go >/dev/null && $(MAKE) --no-print-directory build/peers/veneur-proxy || \
		echo "veneurpy: Veneur is not built: its tests are skipped (install Go, with access to its module proxy)" >&2

PACKAGES := clang libclang-rt-dev libnet-statsd-perl netcat-openbsd ruby-statsd curl $(if $(shell command -v npm),,npm)
PROGRAMS := tests/clients/programs

build/clients/node_modules: $(PROGRAMS)/package.json
	@mkdir -p $(@D) && cp $< $(@D) && cd $(@D) && npm install --no-audit --no-fund --loglevel=error \
		$(if $(wildcard /usr/include/node/node.h),--nodedir=/usr)
	@touch $@

build/clients/datadog_go: $(wildcard $(PROGRAMS)/datadog_go/*)
	@mkdir -p $(@D)
	@if command -v go >/dev/null; then cd $(PROGRAMS)/datadog_go && go build -o $(CURDIR)/$@ .; \
		else echo "go is missing: tests of the client for Go are skipped"; fi

clean: ## Remove everything that was built, .venv included
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find veneurpy \( -name '*.so' -o -name '*.c' \) -delete
	find . -name __pycache__ -prune -exec rm -rf {} +

# Builds beside the usual one: the C that it generated, compiled again

SANITIZED = -shared -fPIC -g -O1 -fno-omit-frame-pointer -fno-math-errno -ffp-contract=off \
	-fno-sanitize-recover=undefined -DVENEURPY_DEBUG -include $(HERE)held.h -I$(HERE) \
	-I$(call SYSCONFIG,get_path("include"))
HERE := veneurpy/engine/native/
ASAN := $(PYX:$(HERE)%.pyx=build/asan/%.so)
FUZZ := $(PYX:$(HERE)%.pyx=build/fuzz/%.so)
SECONDS ?= 60
ASAN_TESTS := tests/golden tests/property tests/unit/engine tests/unit/listeners \
	tests/unit/flush tests/unit/sinks tests/unit/server/test_recovery.py \
	tests/unit/server/test_disk_troubles.py tests/fuzz \
	tests/recovery/test_corruption.py tests/recovery/test_arena_dir.py

build/asan/%.so: $(HERE)%.c $(HEADERS)
	@mkdir -p $(@D)
	@echo "gcc -fsanitize=address,undefined $<"
	@gcc $(SANITIZED) -fsanitize=address,undefined -o $@ $<

build/fuzz/%.so: $(HERE)%.c $(HEADERS)
	@mkdir -p $(@D)
	@command -v clang >/dev/null || $(call FAIL,clang is needed: 'make services' installs it.)
	@echo "clang -fsanitize=fuzzer-no-link,address,undefined $<"
	@clang $(SANITIZED) -w -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize=pointer-overflow -o $@ $<

# Other daemons, in fixed versions. Stripe's Veneur is for the tests of interoperation too: both programs by one build
build/peers/veneur-proxy: tests/interop/veneur/go.mod tests/interop/veneur/go.sum
	@mkdir -p $(@D)
	cd tests/interop/veneur && go build -buildvcs=false -o $(CURDIR)/$(@D)/ \
		github.com/stripe/veneur/v14/cmd/veneur github.com/stripe/veneur/v14/cmd/veneur-proxy

build/peers/statsd_exporter:
	GOBIN=$(CURDIR)/$(@D) go install github.com/prometheus/statsd_exporter@v0.31.0

build/peers/statsd:
	npm install --no-audit --no-fund --omit=optional --loglevel=error --prefix $@ statsd@0.9.0

# What the targets stand on

build: $(VENV)/.built

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
		$(call FAIL,Python 3.11 or newer is needed: install it or name it with 'make PYTHON=/path/to/python3'.)
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || { \
		$(PYTHON) -m venv --clear --without-pip $(VENV) && \
		$(PYTHON) -m pip --python $(BIN)/python install --quiet pip; } || \
		$(call FAIL,no virtual environment can be made: install python3-venv or python3-pip.)
	@touch $@

SYSCONFIG = $$($(BIN)/python -c 'import sysconfig; print(sysconfig.$(1))')
$(VENV)/.compiler: $(VENV)/.created
	@cc="$${CC:-$(call SYSCONFIG,get_config_var("CC"))}"; command -v $${cc%% *} >/dev/null || \
		$(call FAIL,a C compiler is needed: install gcc (Debian: apt-get install gcc libc6-dev) or name yours in CC.)
	@cc="$${CC:-$(call SYSCONFIG,get_config_var("CC"))}"; echo '#include <Python.h>' | \
		$$cc -I"$(call SYSCONFIG,get_path("include"))" -fsyntax-only -x c - 2>/dev/null || \
		$(call FAIL,Python.h is missing: install the headers of your Python (Debian: apt-get install python3-dev).)
	@touch $@

# The build back end's own requirements come from pyproject.toml; without isolation a second build is quick.
# cythonize runs first and in processes, since setuptools would do it one by one.
$(VENV)/.built: pyproject.toml setup.py $(NATIVE) | $(VENV)/.compiler
	$(if $(filter pyproject.toml,$?),$(PIP) $(call FROM_PROJECT,["build-system"]["requires"]))
	$(if $(PYX),$(BIN)/cythonize --quiet -j $(JOBS) $(PYX))
	$(if $(filter pyproject.toml,$?),$(PIP) --no-build-isolation --editable .,$(BUILD_EXT))
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.built
	$(PIP) $(call FROM_PROJECT,["project"]["optional-dependencies"]["dev"])
	@touch $@

$(VENV)/.fuzz: pyproject.toml | $(VENV)/.dev
	$(PIP) $(call FROM_PROJECT,["project"]["optional-dependencies"]["fuzz"])
	@touch $@
