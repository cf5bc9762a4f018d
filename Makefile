# make demo    installs entro into .venv and takes the tour on the sample logs
# make test    installs the requirements of the tests, lints, checks the types and runs the tests
# make lint    the first half of it: ruff, mypy and import-linter
# make bench   measures entro beside the peers that are installed; QUICK=1 only checks that it runs, LARGE=1 adds a
#              CSV ten times as large
# make clean   removes .venv and every cache

VENV := .venv
BIN := $(VENV)/bin
PYTHONS := python3.13 python3.12 python3.11 python3
# Programs that some tests use, and Debian's packages of them.
PROGRAMS := /usr/bin/chromium=chromium /usr/sbin/cron=cron /usr/sbin/nginx=nginx /usr/bin/prometheus=prometheus \
  /usr/bin/redis-server=redis-server /usr/bin/systemd-analyze=systemd
WORKERS := 2
# Two makes in one tree take turns at installing, if the system has flock.
LOCK := $(if $(shell command -v flock),flock Makefile)

export PIP_DISABLE_PIP_VERSION_CHECK := 1
# The tests start entro hundreds of times: without its bytecode every start would compile it anew.
unexport PYTHONDONTWRITEBYTECODE

# In CI the slow tests run too, and a test that finds no browser or no cron fails instead of being skipped.
ifneq ($(filter-out 0 false,$(CI)),)
export ENTRO_REQUIRE_BROWSER := 1
export ENTRO_REQUIRE_SYSTEM := 1
else
SELECT := -m 'not slow'
endif

.NOTPARALLEL:
.PHONY: demo test lint bench clean installed installed-dev installed-bench programs

demo: installed
	@$(BIN)/entro demo

test: lint programs
	@$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal $(SELECT)

lint: installed-dev
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache --no-logo

bench: installed-bench
	@$(BIN)/python benchmarks/bench.py $(if $(QUICK),--quick,--out benchmarks/results.md) $(if $(LARGE),--large)

clean:
	@rm -rf $(VENV) .hypothesis .mypy_cache .pytest_cache .ruff_cache build dist
	@find . -name __pycache__ -prune -exec rm -rf {} +

installed installed-dev installed-bench:
	@$(LOCK) $(MAKE) -s --no-print-directory $(VENV)/.$@

$(VENV)/.installed: pyproject.toml | $(VENV)/.created
	@echo "installing entro into $(VENV)"
	@$(BIN)/python -m pip install -q -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(VENV)/.created
	@echo "installing entro and the requirements of its tests into $(VENV)"
	@$(BIN)/python -m pip install -q -e '.[dev]'
	@touch $(VENV)/.installed $@

$(VENV)/.installed-bench: pyproject.toml | $(VENV)/.created
	@echo "installing entro and its peers of the benchmarks into $(VENV)"
	@$(BIN)/python -m pip install -q -e '.[bench]'
	@touch $(VENV)/.installed $@

# A name on the PATH may be a stub that starts nothing, so each is tried.
$(VENV)/.created:
	@for python in $(PYTHONS); do \
	  if $$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    exec $$python -m venv $(VENV); \
	  fi; \
	done; \
	echo 'entro needs Python 3.11 or newer with its venv module (Debian: apt-get install python3-venv);' >&2; \
	echo 'tried: $(PYTHONS). Another one: make PYTHONS=/path/to/python3' >&2; \
	exit 1
	@touch $@

# Missing programs are installed if this user may do so; others are listed, and are an error in CI.
programs:
	@missing() { for each in $(PROGRAMS); do [ -x "$${each%=*}" ] || echo "$${each#*=}"; done; }; \
	if [ "$$(id -u)" = 0 ]; then as_root=env; elif sudo -n true 2>/dev/null; then as_root='sudo -n env'; fi; \
	if [ -n "$$(missing)" ] && [ -n "$$as_root" ] && command -v apt-get >/dev/null; then \
	  echo "installing for the tests:" $$(missing); \
	  $$as_root apt-get -qq update; \
	  for package in $$(missing); do \
	    $$as_root DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends \
	      -o DPkg::Lock::Timeout=300 install $$package >/dev/null; \
	  done; \
	fi; \
	if [ -n "$$(missing)" ]; then \
	  echo "tests that need these cannot run (Debian: apt-get install):" $$(missing) >&2; \
	  [ -z "$$ENTRO_REQUIRE_SYSTEM" ]; \
	fi
