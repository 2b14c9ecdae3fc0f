# SPDX-License-Identifier: GPL-2.0
#
# `make help` explains. Thin wrappers: what they do is in scripts/, tests/ and Kbuild.

KERNEL ?= 7.2
ARCH   ?= $(shell uname -m | sed 's/^aarch64$$/arm64/')

# Empty means: the default, or not asked for.
KDIR ?=
ONLY ?=
OUT  ?=
V    ?=
DESTDIR ?=
MODULES ?=
export KERNEL ARCH KDIR ONLY OUT V DESTDIR MODULES

.PHONY: all modules tools test test-arm64 test-debug test-hostile debug-kernel fuzz soak bench conformance lint format analyzer demo install uninstall clean help
all: modules tools

modules:
	@scripts/build-modules

tools:
	@scripts/build-tools

# All kernels that there are modules for, unless one was asked for.
tested := $(if $(filter file,$(origin KERNEL)),7.2 7.3,$(KERNEL))

# Regular expressions have characters that mean something to the shell, too.
patterns = $(foreach pattern,$(TESTS),'$(pattern)')

test:
	@for kernel in $(tested); do KERNEL=$$kernel scripts/build-modules >/dev/null || exit; done
	@scripts/build-tools >/dev/null
	@tests/run --kernel '$(tested)' $(patterns)

test-arm64:
	@ARCH=arm64 scripts/build-modules >/dev/null
	@tests/run --arch arm64 --kernel '$(KERNEL)' $(patterns)

fuzz:
	@scripts/fuzz $(SECONDS)

soak: modules tools
	@scripts/soak $(HOURS)

debug-kernel:
	@scripts/kernel debug

# Unit tests in user space have no kernel to debug.
test-debug: tools
	@KERNEL=debug scripts/build-modules
	@tests/run --kernel debug --no-unit --hostile too $(patterns)

test-hostile: modules tools
	@tests/run --hostile only --kernel '$(KERNEL)' $(patterns)

conformance: tools
	@scripts/conformance $(if $(filter file,$(origin KERNEL)),,--kernel '$(KERNEL)')

bench: modules tools
	@scripts/bench

lint:
	@scripts/lint $(CHECKS)

format:
	@git ls-files --cached --others --exclude-standard '*.rs' | \
		xargs scripts/in-root rustfmt --edition 2021 --config-path .

analyzer:
	@scripts/rust-project

demo:
	@scripts/demo

install uninstall:
	@scripts/$@

clean:
	rm -rf build rust-project.json

help:
	@echo 'make              the kernel modules and the tools'
	@echo 'make modules      usbip-core.ko, usbip-host.ko, vhci-hcd.ko, usbip-vudc.ko, usbip-ux.ko in build/<release>/modules'
	@echo 'make tools        the user programs in build/tools'
	@echo 'make test         unit tests and the jobs in virtual machines, on 7.2 and 7.3 unless KERNEL= is given; TESTS="name .." runs some'
	@echo 'make test-arm64   load the modules on an emulated arm64 machine and share a device there'
	@echo 'make debug-kernel build the debug kernel: sanitizers, lockdep, fault injection; a quarter of an hour, once'
	@echo 'make test-debug   all tests in virtual machines on that kernel, and the unit tests of its modules; an hour and a half, RESUME=1 goes on'
	@echo 'make test-hostile peers that say whatever they like, against the modules; half an hour or more'
	@echo 'make fuzz         fuzz the wire and logic crates; SECONDS=n in all (60)'
	@echo 'make soak         PDUs at random against the modules in a machine; HOURS=n (1; 0.2 is 12 minutes)'
	@echo 'make conformance  our modules and the C ones, on all kernels, into Documentation/conformance.md'
	@echo 'make bench        speed and memory, compared with the C modules; CHECK=1 fails if it got worse'
	@echo 'make lint         format, clippy, layers, panics, exports; CHECKS="name .." runs some'
	@echo 'make format       run rustfmt'
	@echo 'make analyzer     rust-project.json for rust-analyzer'
	@echo 'make demo         share a device between two virtual machines and show it'
	@echo 'make install      the modules into this system (DESTDIR= for packagers, MODULES= if built before)'
	@echo 'make uninstall    take them out again'
	@echo 'make clean        remove what was built; downloads stay in $$USBIP_CACHE (~/.cache/usbip-rust)'
	@echo
	@echo 'KERNEL=7.2|7.3|7.2-rt|7.3-rt|debug  which kernel, or a release as uname -r prints it (now: $(KERNEL)); ARCH=x86_64|arm64 (now: $(ARCH))'
	@echo 'KDIR=/path   a prepared kernel build folder with this machine'"'"'s own compilers instead'
	@echo 'ONLY=module  build one module; OUT=/path  build elsewhere; V=1  show the commands'
