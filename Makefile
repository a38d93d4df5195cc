# Everything a person or a machine does with this repository. As root on Debian 12:
#
#   make demo      two containers on one bridge, a published port, and nothing left afterwards
#   make test      all tests
#   make test-vm   those that need systemd, in a virtual machine
#   make test-bare the demo and all tests in a bare Debian 12, where set-up installs everything
#   make test-mutants   a test of the tests: each must fail without the part of config.json that it is about
#   make mutants   mutation testing by cargo-mutants, on a random sample (a developer's tool, installed into target/)
#   make bench     the benchmark, against every runtime on PATH (RUNTIMES=... names others)
#   make lint      formatting and lints
#   make install   PREFIX=/usr/local DESTDIR=
#
# Each installs what is missing by apt-get first; set SETUP= to leave that out.

PREFIX ?= /usr/local
DESTDIR ?=
SETUP ?= yes

# The target is named in .cargo/config.toml; that file says why.
TARGET := x86_64-unknown-linux-gnu
OUT := $(or $(CARGO_TARGET_DIR),target)/$(TARGET)
CARGO := tests/rust.sh cargo
TIMES := $(abspath $(or $(CARGO_TARGET_DIR),target))/test-times
# Where each shell looks for completions, below share/.
COMPLETIONS := bash-completion/completions/tare zsh/site-functions/_tare fish/vendor_completions.d/tare.fish
shell_of = $(firstword $(subst -, ,$(subst /, ,$(1))))
PLUGINS := $(patsubst plugins/src/bin/%.rs,%,$(wildcard plugins/src/bin/*.rs))

.PHONY: build release demo test test-vm test-bare test-mutants mutants bench lint install clean
.PHONY: setup-build setup-demo setup-test setup-vm setup-bare setup-bench setup-lint

setup-build setup-demo setup-test setup-vm setup-bare setup-bench setup-lint: setup-%:
ifeq ($(SETUP),yes)
	tests/setup.sh $*
endif

build: setup-build
	$(CARGO) build --locked --workspace --bins

release: setup-build
	$(CARGO) build --locked --release --workspace --bins

demo: setup-demo build
	$(OUT)/debug/tare-bundle demo

# The programs first: the tests run them. Tests write their durations to TIMES.
test: setup-test build
	@rm -f $(TIMES)
	TEST_TIMES=$(TIMES) $(CARGO) test --locked --workspace --no-fail-fast; code=$$?; tests/slowest.sh $(TIMES); exit $$code

# With systemd itself, in a virtual machine: minutes, and not part of the tests above.
test-vm: setup-vm build
	PROGRAMS=$(OUT)/debug tests/vm.sh

# The last commit, in a root that has git and make only.
test-bare: setup-bare
	tests/bare.sh

# Tests that stay green without what they are about fail this.
test-mutants: setup-test build
	tests/mutants.sh

# PACKAGE, COUNT and SEED choose the sample.
mutants: setup-build
	tests/sample.sh $(or $(PACKAGE),tare-plan) $(or $(COUNT),150) $(or $(SEED),1)

bench: setup-bench release
	$(OUT)/release/bench

lint: setup-lint
	$(CARGO) fmt --all --check
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) test --locked --quiet -p tests --test glossary

install: release
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/libexec/cni $(DESTDIR)$(PREFIX)/share/doc/tare
	install -m 755 $(addprefix $(OUT)/release/,tare tare-bundle tare-payload conformance) $(DESTDIR)$(PREFIX)/bin
	install -m 755 $(addprefix $(OUT)/release/,$(PLUGINS)) $(DESTDIR)$(PREFIX)/libexec/cni
	install -m 644 README.md CHANGELOG.md LICENSE $(DESTDIR)$(PREFIX)/share/doc/tare
	install -d $(addprefix $(DESTDIR)$(PREFIX)/share/,$(dir $(COMPLETIONS)) man/man1 man/man8)
	$(foreach file,$(COMPLETIONS),$(OUT)/release/tare completion $(call shell_of,$(file)) > $(DESTDIR)$(PREFIX)/share/$(file) &&) true
	$(OUT)/release/tare-bundle man > $(DESTDIR)$(PREFIX)/share/man/man1/tare-bundle.1
	$(OUT)/release/conformance --man > $(DESTDIR)$(PREFIX)/share/man/man1/conformance.1
	install -m 644 $(PLUGINS:%=plugins/man/tare-cni-%.8) $(DESTDIR)$(PREFIX)/share/man/man8
	$(OUT)/release/tare man > $(DESTDIR)$(PREFIX)/share/man/man8/tare.8
	for verb in $$($(OUT)/release/tare man | sed -n 's/^.BR tare\\-\(.*\) (8),*$$/\1/p'); do \
	    $(OUT)/release/tare man $$verb > $(DESTDIR)$(PREFIX)/share/man/man8/tare-$$verb.8 || exit; done

clean:
	$(CARGO) clean
