# The two commands of the README: make demo, make test.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SYSTEM_PACKAGES := gcc libc6-dev sip-tester baresip-core kamailio kamailio-tls-modules kamailio-websocket-modules dnsmasq-base openssl curl chromium libjs-jquery iproute2 iptables
# npm gets JsSIP for Chromium; only where there is none, as it may have come with another Node.js.
NODE_PACKAGES := $(if $(shell command -v npm 2>/dev/null),,nodejs npm)
# Debian's own Python comes without what C is compiled against.
HEADERS = $(shell $(PYTHON) -c 'import os, sysconfig as s; os.path.exists(s.get_paths()["include"] + "/Python.h") or print("python3-dev")')
JQUERY := /usr/share/javascript/jquery/jquery.min.js

.PHONY: demo test lint bench compiled clean lock

demo: $(VENV)/.installed
	$(BIN)/c2c demo

# On all cores. Not by loadgroup or loadscope: of tests that have the same name, as Schemathesis gives them, they run one.
test: $(VENV)/.installed-test system-packages lint
	$(BIN)/pytest -n auto --dist worksteal

lint: $(VENV)/.installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

bench: $(VENV)/.installed-test system-packages .venv-sippy/.installed
	$(BIN)/python -m tests.bench

# The same service with its core compiled, plain where there is no C compiler; it says which it is.
compiled: .venv-compiled/.installed
	.venv-compiled/bin/c2c --version

.venv-compiled/.installed: .venv-compiled/bin/python requirements.lock pyproject.toml setup.py $(shell find c2c_b2bua api -name '*.py')
	.venv-compiled/bin/pip install -q --disable-pip-version-check -r requirements.lock
	C2C_COMPILED=1 .venv-compiled/bin/pip install -q --disable-pip-version-check --no-deps --force-reinstall .
	@touch $@

# The B2BUA that the bench compares with, in an environment of its own.
.venv-sippy/.installed:
	$(PYTHON) -m venv .venv-sippy
	.venv-sippy/bin/pip install -q --disable-pip-version-check sippy==2.5.0
	@touch $@

# The tests talk to real peers, SIPp, baresip and Chromium, and run the README's curl. Debian has them all.
.PHONY: system-packages
system-packages:
	@if ! command -v sipp >/dev/null || ! command -v baresip >/dev/null || ! command -v curl >/dev/null || \
	    ! PATH=$$PATH:/usr/sbin command -v dnsmasq >/dev/null || ! PATH=$$PATH:/usr/sbin command -v iptables >/dev/null || \
	    ! command -v openssl >/dev/null || ! command -v gcc >/dev/null || [ -n "$(HEADERS)" ] || \
	    ! command -v npm >/dev/null || ! command -v chromium >/dev/null || ! PATH=$$PATH:/usr/sbin command -v kamailio >/dev/null || ! [ -e $(JQUERY) ] || \
	    ! ls /usr/lib/*/kamailio/modules/tls.so /usr/lib/*/kamailio/modules/websocket.so >/dev/null 2>&1; then \
	  SUDO=; [ "$$(id -u)" = 0 ] || SUDO=sudo; \
	  $$SUDO apt-get update -qq && \
	  $$SUDO env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $(SYSTEM_PACKAGES) $(NODE_PACKAGES) $(HEADERS); \
	fi

# Debian's python3 comes without ensurepip unless python3-venv is there.
$(VENV)/bin/python .venv-compiled/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'Python 3.11 or newer is needed'; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  SUDO=; [ "$$(id -u)" = 0 ] || SUDO=sudo; \
	  $$SUDO apt-get update -qq && $$SUDO apt-get install -y -qq --no-install-recommends python3-venv; }
	$(PYTHON) -m venv $(@:/bin/python=)

$(VENV)/.installed: $(VENV)/bin/python requirements.lock pyproject.toml
	$(BIN)/pip install -q --disable-pip-version-check -r requirements.lock
	$(BIN)/pip install -q --disable-pip-version-check --no-deps -e .
	@touch $@

$(VENV)/.installed-test: $(VENV)/.installed requirements-test.lock
	$(BIN)/pip install -q --disable-pip-version-check -r requirements-test.lock
	@touch $@

# Renews both lock files from pyproject.toml.
lock: $(VENV)/bin/python
	$(BIN)/pip install -q pip-tools
	$(BIN)/pip-compile -q --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header -U -o requirements.lock pyproject.toml
	$(BIN)/pip-compile -q --allow-unsafe --strip-extras --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-header -U --extra test -o requirements-test.lock -c requirements.lock pyproject.toml

clean:
	rm -rf $(VENV) .venv-sippy .venv-compiled
