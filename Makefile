# make demo    from nothing to a page served out of a container (installs what is missing)
# make test    every test: unit, native, end-to-end, foreign clients (installs what is missing)
# make check   types, lint, format, import arrows, generated files, changelog
# make security  the attack suite; make security-weakened  the same against builds without the defences: every attack has to succeed
# make fuzz    each target in C with libFuzzer, each property of the TypeScript and each operation of the API, for minutes (FUZZ_SECONDS, PROPERTY_SECONDS)
# make torture  the power cut at thousands of moments, a thousand kills, 500 containers at once, a soak; writes docs/reliability.md (an hour)
# make test-vm  the tests that depend on the kernel, in an emulated machine with cgroup v2 alone and AppArmor (VM_TESTS=file...)
# make compat  foreign clients with a day's work each: dockerode, testcontainers, docker-py, docker-compose 1.29, the devcontainer command (needs npm's registry)
# make test-real  applications of Debian's packages: MariaDB through crashes, Compose projects by three tools on two engines, a rolling change under wrk (needs a Debian mirror; minutes)
# make test-projects  the projects of test/projects built from Debian, run and asked something (needs mirrors of Debian, npm and PyPI; minutes)
# make bench   everything that has a number, beside Docker Engine, podman and other runtimes in the same run (QUICK=1; ROWS=exec,ps)
# make compare-build  150 Dockerfiles built by Docker's two builders and by Berth: the same configuration, history and files
# make build   dist/berth, dist/berth-runtime;   make install  puts it into $(PREFIX)/bin, with manual, completions, systemd units;   make clean

PREFIX ?= /usr/local
UNITDIR ?= /lib/systemd/system
COMPLETIONS = $(addprefix $(DESTDIR)$(PREFIX)/share/,bash-completion/completions/berth zsh/site-functions/_berth fish/vendor_completions.d/berth.fish)
BUN = tools/bun
BIN = node_modules/.bin
VERSION := $(shell sed -n 's/.*"version": "\(.*\)",/\1/p' package.json)
COMMIT := $(shell git rev-parse --short HEAD 2>/dev/null || echo unknown)
SOURCES = $(shell find src -name '*.ts' ! -name '*.test.ts')
# With ./ in front bun takes them as paths, else as patterns to look for in the whole tree.
TESTS ?= ./src ./tools ./bench

.PHONY: build demo test torture test-vm test-real test-projects unit e2e compat check bench install uninstall clean acceptance acceptance-images fuzz compare-build security security-weakened

build: dist/berth dist/berth-runtime

node_modules/.done: package.json package-lock.json
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

native/ops.h: src/linux/ops.ts tools/ops.ts node_modules/.done
	$(BUN) tools/ops.ts

build/keel build/berth-runtime &: native/ops.h $(wildcard native/*.c native/*.h) native/Makefile
	$(MAKE) -s -C native all

# A function is compiled to machine code after 25 times as many runs as usual: short commands are over before it would pay, a daemon that has started
# some containers keeps 20 MB less, and what runs for long (logs, load) is as fast. Then the executable is laid out for pages of 2 MB: each command is
# a millisecond faster (docs/benchmarks/run-breakdown.md); a copy has to be written in pieces of that size, too, to be as fast.
dist/berth: node_modules/.done build/keel tools/align-segments.ts $(SOURCES)
	@mkdir -p dist build/written
	$(BUN) build --compile --no-compile-autoload-dotenv --no-compile-autoload-bunfig --bytecode --splitting --compile-jit-policy 25 --minify-syntax --format=esm --target=bun \
	  --define BERTH_BUILD_VERSION='"$(VERSION)"' --define BERTH_BUILD_COMMIT='"$(COMMIT)"' \
	  src/main.ts src/lib/compress/worker.ts --outfile build/written/berth
	$(BUN) tools/align-segments.ts build/written/berth $@ && rm -r build/written

dist/berth-runtime: build/berth-runtime
	@mkdir -p dist
	install -m 0755 $< $@

demo:
	@tools/install-packages demo
	@$(MAKE) -s build
	@$(BUN) tools/demo.ts

test:
	@tools/install-packages test
	@$(MAKE) -s build
	$(MAKE) -s -C native test
	BERTH_TEST_KEEL=$(CURDIR)/build/keel-asan $(BUN) test --timeout 60000 ./src/runtime/shim/health.test.ts
	$(BUN) tools/test.ts --timeout 60000 $(TESTS)
	$(MAKE) -s e2e
	$(MAKE) -s security
	$(BUN) tools/test.ts --timeout 180000 ./test/torture ./test/faults

torture: build
	@tools/install-packages test
	BERTH_TORTURE=1 $(BUN) tools/test.ts --timeout 1800000 ./test/faults
	$(BUN) test/torture/torture.ts $(if $(CUTS),--cuts $(CUTS)) $(if $(KILLS),--kills $(KILLS)) $(if $(WORKERS),--workers $(WORKERS)) \
	  $(if $(CONTAINERS),--containers $(CONTAINERS)) $(if $(CLIENTS),--clients $(CLIENTS)) $(if $(SOAK_MINUTES),--soak-minutes $(SOAK_MINUTES)) $(if $(SEED),--seed $(SEED))

test-vm:
	@tools/install-packages vm
	@$(MAKE) -s build
	@$(MAKE) -s -C native tests
	$(BUN) tools/vm.ts $(VM_TESTS)

unit: build
	$(BUN) tools/test.ts --timeout 60000 $(TESTS)

e2e: build
	$(BUN) tools/test.ts --timeout 180000 ./test/e2e

compat: build
	@tools/install-packages compat
	cd test/compat && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	$(BIN)/tsc -p test/compat
	$(BUN) tools/test.ts --timeout 600000 ./test/compat

security: build
	BERTH_EVERY_STEP=1 $(BUN) tools/test.ts --timeout 600000 ./test/security

security-weakened: build
	BERTH_WEAKENED=1 $(BUN) tools/test.ts --timeout 600000 ./test/security

check: node_modules/.done native/ops.h
	$(BIN)/tsc
	$(BIN)/oxlint --type-aware --quiet src tools test bench
	$(BIN)/biome format --log-level=warn
	$(BUN) tools/imports.ts
	$(BUN) tools/ops.ts --check
	$(BUN) tools/native-paths.ts
	$(BUN) tools/tables.ts
	$(BUN) tools/coverage.ts --check
	$(BUN) tools/changelog.ts

test-real:
	@tools/install-packages real
	@$(MAKE) -s build
	$(BUN) tools/test.ts --timeout 900000 ./test/real

test-projects:
	@tools/install-packages real
	@$(MAKE) -s build
	$(BUN) tools/test.ts --timeout 900000 ./test/real/projects.test.ts

bench:
	@tools/install-packages bench
	@$(MAKE) -s build
	$(BUN) bench/main.ts

compare-build:
	@tools/install-packages bench
	@$(MAKE) -s build
	$(BUN) test/compare/compare-build.ts

# Seconds for each property and, as FUZZ_SECONDS, for each target in C: with these a quarter of an hour in all.
PROPERTY_SECONDS ?= 5

fuzz: build
	@tools/install-packages fuzz
	$(MAKE) -s -C native fuzz
	PROPERTY_SECONDS=$(PROPERTY_SECONDS) $(BUN) tools/test.ts --timeout 600000 $(addprefix ./,$(shell grep -rl '"fast-check"' src))
	BERTH_API_SEED=$$(date +%s) BERTH_API_REQUESTS=100 BERTH_EVERY_STEP=1 $(BUN) tools/test.ts --timeout 1200000 ./test/security/api.test.ts

build/man: dist/berth tools/man.ts
	$(BUN) tools/man.ts $@

# Into $(DESTDIR) for packages; without it the group of the socket is made as well.
install: build build/man
	install -D -m 0755 /dev/null $(DESTDIR)$(PREFIX)/bin/berth
	dd if=dist/berth of=$(DESTDIR)$(PREFIX)/bin/berth bs=2M status=none
	install -m 0755 dist/berth-runtime $(DESTDIR)$(PREFIX)/bin/berth-runtime
	install -d $(DESTDIR)$(UNITDIR) $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man8
	sed 's|@PREFIX@|$(PREFIX)|' install/berth.service >$(DESTDIR)$(UNITDIR)/berth.service
	install -m 0644 install/berth.socket $(DESTDIR)$(UNITDIR)/
	install -m 0644 build/man/*.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	install -m 0644 build/man/*.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	install -d $(dir $(COMPLETIONS))
	dist/berth completion bash >$(word 1,$(COMPLETIONS))
	dist/berth completion zsh >$(word 2,$(COMPLETIONS))
	dist/berth completion fish >$(word 3,$(COMPLETIONS))
	[ -n "$(DESTDIR)" ] || getent group berth >/dev/null || groupadd --system berth

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/berth $(DESTDIR)$(PREFIX)/bin/berth-runtime $(COMPLETIONS)
	rm -f $(DESTDIR)$(UNITDIR)/berth.service $(DESTDIR)$(UNITDIR)/berth.socket
	rm -f $(DESTDIR)$(PREFIX)/share/man/man1/berth.1 $(DESTDIR)$(PREFIX)/share/man/man1/berth-*.1
	rm -f $(DESTDIR)$(PREFIX)/share/man/man8/berth-daemon.8

clean:
	rm -rf build dist
