# podmgr: one Makefile, no recursion.  `make help` lists the targets.
#
# A component is a directory whose .c files become one static library; a
# program is its main.c linked to the libraries.  Variants (sanitizers, clang)
# build the same tree under another BUILD directory.

VERSION  := 0.1.0
BUILD    ?= build
PREFIX   ?= /usr/local
DESTDIR  ?=
ifeq ($(origin CC),default)
CC       := gcc
endif
SAN      ?=

# What is missing is installed before anything else is looked at, since the lines
# below ask pkg-config.  `make help`, `clean` and `format` need nothing.
ifneq ($(filter-out help clean format,$(or $(MAKECMDGOALS),all)),)
ifneq ($(shell packaging/install-deps.sh packaging/dependencies.txt >&2 && echo ok),ok)
$(error the build needs the packages of packaging/dependencies.txt)
endif
endif

PKGS     := libuv libmicrohttpd libprotobuf-c jansson yaml-0.1 sqlite3 libcurl nettle
WARN     := -Wall -Wextra -Wconversion -Wshadow -Wswitch-enum -Wmissing-prototypes \
            -Wstrict-prototypes -Wvla -Werror
# Texts for people are cut where the buffer ends, on purpose.
WARN     += $(if $(findstring clang,$(CC)),,-Wno-format-truncation)
# Asserts stay on in release: no -DNDEBUG anywhere.
OPT      ?= -O2 -g -D_FORTIFY_SOURCE=2 -fstack-protector-strong
HARDEN   := -fPIE
CPPFLAGS += -D_GNU_SOURCE -DPODMGR_VERSION='"$(VERSION)"' -Icommon -Iwire -Ilibtpunet -Ipodmgr \
            -I. -I$(BUILD)/gen $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
CFLAGS   := -std=c17 $(OPT) $(HARDEN) $(WARN) $(SAN)
LDFLAGS  := -pie -Wl,-z,relro,-z,now $(SAN)
LDLIBS   := $(shell pkg-config --libs $(PKGS) 2>/dev/null) -lm -lpthread

ifneq ($(shell pkg-config --exists libsystemd 2>/dev/null && echo yes),)
CPPFLAGS += -DHAVE_SYSTEMD $(shell pkg-config --cflags libsystemd)
LDLIBS   += $(shell pkg-config --libs libsystemd)
endif

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SUFFIXES:

# ------------------------------------------------------------ components --

COMPONENTS := common wire libtpunet podmgr simulator tpunetd tool healthd podctl
SRC_common    := $(wildcard common/*.c)
SRC_wire      := $(wildcard wire/*.c)
SRC_libtpunet := $(wildcard libtpunet/*.c)
SRC_podmgr    := $(filter-out podmgr/main.c,$(wildcard podmgr/*.c podmgr/*/*.c))
SRC_simulator := $(filter-out simulator/%_main.c,$(wildcard simulator/*.c))
SRC_tpunetd   := $(filter-out libtpunet/tpunetd/main.c,$(wildcard libtpunet/tpunetd/*.c))
SRC_healthd   := $(filter-out healthd/main.c,$(wildcard healthd/*.c healthd/probes/*.c))
SRC_tool      := $(filter-out libtpunet/tool/main.c,$(wildcard libtpunet/tool/*.c))
SRC_podctl    := $(filter-out podctl/main.c,$(wildcard podctl/*.c))

PROTOS    := $(wildcard proto/*.proto)
PROTO_C   := $(PROTOS:proto/%.proto=$(BUILD)/gen/%.pb-c.c)
PROTO_H   := $(PROTO_C:.c=.h)

objs = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
lib  = $(BUILD)/lib/lib$(patsubst lib%,%,$(1)).a
LIBS := $(foreach c,$(COMPONENTS),$(call lib,$(c)))

# Link order: users before what they use.
LINK_podmgr  := $(foreach c,podmgr wire libtpunet common,$(call lib,$(c)))
LINK_podsim  := $(foreach c,simulator wire libtpunet common,$(call lib,$(c)))
LINK_simctl  := $(LINK_podsim)
LINK_tpunetd := $(foreach c,tpunetd wire libtpunet common,$(call lib,$(c)))
LINK_healthd := $(foreach c,healthd wire common,$(call lib,$(c)))
LINK_tpunet  := $(foreach c,tool libtpunet common,$(call lib,$(c)))
LINK_podctl  := $(foreach c,podctl common,$(call lib,$(c)))
LINK_test    := $(foreach c,podmgr simulator tpunetd tool healthd podctl wire libtpunet common,$(call lib,$(c)))

MAIN_podmgr  := podmgr/main.c
MAIN_podsim  := simulator/podsim_main.c
MAIN_simctl  := simulator/simctl_main.c
MAIN_tpunetd := libtpunet/tpunetd/main.c
MAIN_healthd := healthd/main.c
MAIN_tpunet  := libtpunet/tool/main.c
MAIN_podctl  := podctl/main.c
PROGRAMS     := $(foreach p,podmgr podsim simctl tpunetd tpunet healthd podctl,$(if $(wildcard $(MAIN_$(p))),$(BUILD)/bin/$(p)))

# Tests: every tests/<kind>/test_*.c is a program; other files there are helpers,
# those of tests/unit for all kinds.
TEST_KINDS   := unit contract system
TEST_SRC     := $(foreach k,$(TEST_KINDS),$(wildcard tests/$(k)/test_*.c))
TEST_HELPERS := $(filter-out $(TEST_SRC),$(foreach k,$(TEST_KINDS),$(wildcard tests/$(k)/*.c)))
TESTS        := $(patsubst tests/%.c,$(BUILD)/tests/%,$(TEST_SRC))
BENCH_SRC    := $(wildcard tests/bench/*.c)
SIM_SRC      := $(wildcard tests/sim/*.c) $(patsubst %,tests/crash/%.c,bytes disk vfs)
CRASH_SRC    := $(wildcard tests/crash/*.c) $(patsubst %,tests/sim/%.c,context switches switch_agents daemons bringups fabric watch observers client oracle ledger drained repaired witness proof settled)
FUZZ_SRC     := $(filter-out tests/fuzz/fuzz_main.c,$(wildcard tests/fuzz/*.c))
SECONDS      ?= 10

.PHONY: all help deps deps-lint test unit demo bench bench-opensm sim rootcause year scenarios crash model planted fuzz \
        lint format check-asan check-clang install clean

all: $(LIBS) $(PROGRAMS) ## build libraries and programs under build/

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | sort | \
	    awk -F'\t' '{ printf "  %-14s %s\n", $$1, $$2 }'

# ---------------------------------------------------------------- build --

$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h &: proto/%.proto
	@mkdir -p $(@D)
	protoc-c --proto_path=proto --c_out=$(BUILD)/gen $<

# The REST contract, written as YAML, is served as JSON from inside podmgr.
$(BUILD)/tools/yaml2json: tools/yaml2json.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $< $(LDLIBS)

$(BUILD)/gen/openapi_json.h: podmgr/api/openapi.yaml $(BUILD)/tools/yaml2json
	@mkdir -p $(@D)
	$(BUILD)/tools/yaml2json $< openapi_json > $@

$(BUILD)/gen/completion_bash.h: podctl/completion.bash
	@mkdir -p $(@D)
	{ echo 'static const char completion_bash[] ='; \
	    sed 's/\\/\\\\/g; s/"/\\"/g; s/^/    "/; s/$$/\\n"/' $<; echo '    ;'; } > $@

$(BUILD)/obj/podmgr/api/metrics.o $(BUILD)/obj/tests/unit/test_openapi.o \
$(BUILD)/obj/tests/unit/test_openapi_answers.o: $(BUILD)/gen/openapi_json.h
$(BUILD)/obj/podctl/completion.o: $(BUILD)/gen/completion_bash.h

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(filter-out $(WARN),$(CFLAGS)) -w -c -o $@ $<

$(BUILD)/obj/%.o: %.c $(PROTO_H)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

define component_rule
$(call lib,$(1)): $$(call objs,$$(SRC_$(1))) $(2)
	@mkdir -p $$(@D)
	@rm -f $$@
	ar rcs $$@ $$^
endef
$(foreach c,$(filter-out wire,$(COMPONENTS)),$(eval $(call component_rule,$(c),)))
$(eval $(call component_rule,wire,$(PROTO_C:$(BUILD)/gen/%.c=$(BUILD)/obj/gen/%.o)))

define program_rule
$(BUILD)/bin/$(1): $$(call objs,$$(MAIN_$(1))) $$(LINK_$(1))
	@mkdir -p $$(@D)
	$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(LDLIBS)
endef
$(foreach p,podmgr podsim simctl tpunetd tpunet healthd podctl,$(eval $(call program_rule,$(p))))

# ---------------------------------------------------------------- tests --

define test_rule
$(BUILD)/tests/$(1)/test_%: $(BUILD)/obj/tests/$(1)/test_%.o $$(call objs,$$(filter tests/unit/% tests/$(1)/%,$$(TEST_HELPERS))) $$(LINK_test)
	@mkdir -p $$(@D)
	$$(CC) $$(LDFLAGS) -o $$@ $$^ $$(LDLIBS) -lcmocka -lnng
endef
$(foreach k,$(TEST_KINDS),$(eval $(call test_rule,$(k))))
.PRECIOUS: $(BUILD)/obj/%.o

SWEEPS := $(BUILD)/tests/sim/sim $(BUILD)/tests/crash/crash $(BUILD)/tests/scenario/scenario
test: all $(TESTS) $(SWEEPS) ## build and run all tests; ends with "N passed, N failed"
	@BUILD=$(BUILD) tests/run.sh $(TESTS) $(SWEEPS)

unit: all $(filter $(BUILD)/tests/unit/%,$(TESTS)) ## the unit tests alone
	@BUILD=$(BUILD) tests/run.sh $(filter $(BUILD)/tests/unit/%,$(TESTS))

demo: all ## a simulated pod of 64 cubes, from request to verified torus (KEEP=1 leaves it up)
	@BUILD=$(BUILD) KEEP=$(KEEP) demo/demo.sh

BENCH_HELPERS := tests/system/harness.c tests/system/observer.c tests/unit/inproc_world.c

$(BUILD)/tests/bench/bench: $(call objs,$(BENCH_SRC) $(BENCH_HELPERS)) $(LINK_test)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

bench: all $(BUILD)/tests/bench/bench ## measure; table for people and build/bench.json
	@BUILD=$(BUILD) $(BUILD)/tests/bench/bench --json $(BUILD)/bench.json

SHAPES ?= 4x4x4 8x8x8 16x16x16
bench-opensm: $(BUILD)/bin/tpunet ## a failed link of the same torus: OpenSM's time and ours (SHAPES=...)
	@packaging/install-deps.sh packaging/dependencies-opensm.txt
	@BUILD=$(BUILD) tests/opensm/run.sh $(SHAPES)

$(BUILD)/tests/sim/sim: $(call objs,$(SIM_SRC)) $(LINK_test)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

SEEDS ?= 200
sim: $(BUILD)/tests/sim/sim ## deterministic simulation: SEEDS=n of them (from FIRST=x on), or one SEED=x again
	@$(BUILD)/tests/sim/sim $(if $(SEED),--seed $(SEED),$(SEEDS) $(if $(SEEDS),$(FIRST)))

# Only here is `synchronous` ever another, and files are in memory: tests/crash/run.c, files.c.
CRASH_WRAPS := sqlite3_exec sqlite3_file_control unlink link rename fsync
$(BUILD)/tests/crash/crash: $(call objs,$(CRASH_SRC)) $(LINK_test)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) $(CRASH_WRAPS:%=-Wl,--wrap=%) -o $@ $^ $(LDLIBS)

CLASS ?= kill
crash: $(BUILD)/tests/crash/crash ## crash at every point (SEED=n), or at one POINT=n CLASS=word again
	@$(BUILD)/tests/crash/crash $(if $(POINT),--point $(POINT) --class $(CLASS),--full) \
	    $(if $(SEED),--seed $(SEED)) $(if $(RESTORE),--restore 1)

$(BUILD)/tests/rootcause/rootcause: $(call objs,tests/rootcause/main.c tests/unit/pod_faults.c) $(LINK_test)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

FAULTS ?= 2000
rootcause: $(BUILD)/tests/rootcause/rootcause ## FAULTS=n seeded faults: how many causes are named rightly
	@$(BUILD)/tests/rootcause/rootcause --json $(BUILD)/rootcause.json $(FAULTS)

LAB_SRC := $(wildcard tests/lab/*.c)
$(BUILD)/tests/year/year: $(call objs,$(LAB_SRC) $(wildcard tests/year/*.c)) $(LINK_test)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

year: $(BUILD)/tests/year/year ## YEARS=n of a pod at the published failure rates: its availability
	@$(BUILD)/tests/year/year --json $(BUILD)/year.json $(if $(YEARS),--years $(YEARS))

$(BUILD)/tests/scenario/scenario: $(call objs,$(LAB_SRC) $(wildcard tests/scenario/*.c) tests/system/harness.c) $(LINK_test)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS)

scenarios: all $(BUILD)/tests/scenario/scenario ## simulator/scenarios/*.yaml in virtual time and on real processes
	@BUILD=$(BUILD) $(BUILD)/tests/scenario/scenario --all

# The fake wire among these stands before the real one in the link.
$(BUILD)/tests/unit/test_corpus: $(BUILD)/obj/tests/unit/test_corpus.o $(call objs,$(FUZZ_SRC)) $(LINK_test)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -o $@ $^ $(LDLIBS) -lcmocka

$(BUILD)/bin/fuzz: $(call objs,$(FUZZ_SRC) tests/fuzz/fuzz_main.c) $(LINK_test)
	@mkdir -p $(@D)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $^ $(LDLIBS)

fuzz: ## every fuzz target for SECONDS (10), with libFuzzer and sanitizers
	@packaging/install-deps.sh packaging/dependencies-fuzz.txt
	$(MAKE) BUILD=build/fuzz CC=clang OPT="-O1 -g" \
	    SAN="-fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all" build/fuzz/bin/fuzz
	@tests/fuzz/run.sh build/fuzz/bin/fuzz $(SECONDS)

model: ## spin checks the protocol of intent, epoch and take-over in every order of events
	@packaging/install-deps.sh packaging/dependencies-model.txt
	@BUILD=$(BUILD) tests/model/run.sh

planted: $(BUILD)/tests/sim/sim ## plant bugs one by one; the simulation must find each
	@BUILD=$(BUILD) tests/sim/planted/run.sh

check-asan: ## all tests under AddressSanitizer and UndefinedBehaviorSanitizer
	$(MAKE) BUILD=build/asan OPT="-O1 -g" \
	    SAN="-fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer" test

check-clang: ## everything compiled with clang, warning-free
	$(MAKE) BUILD=build/clang CC=clang all
	$(MAKE) BUILD=build/clang CC=clang $(TESTS:$(BUILD)/%=build/clang/%)

# ----------------------------------------------------------------- care --

deps: ## install the Debian packages that the build needs (as every build does first)
	@true

deps-lint: ## the same for the tools of `make lint`
	@packaging/install-deps.sh packaging/dependencies-lint.txt

lint: deps-lint $(PROTO_H) $(BUILD)/gen/openapi_json.h $(BUILD)/gen/completion_bash.h ## format, clang-tidy, cppcheck, include rules, shell, spelling
	@BUILD=$(BUILD) CPPFLAGS="$(filter-out -DPODMGR_VERSION%,$(CPPFLAGS))" tests/lint.sh

format: ## rewrite the sources with clang-format
	@git ls-files '*.c' '*.h' | xargs clang-format -i

install: all ## programs, library, header, units, examples, completion (DESTDIR= PREFIX=)
	install -d $(addprefix $(DESTDIR)$(PREFIX)/,bin lib/pkgconfig include lib/systemd/system \
	    share/doc/podmgr/examples share/bash-completion/completions)
	install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	install -m 644 libtpunet/tpunet.h $(DESTDIR)$(PREFIX)/include
	install -m 644 $(call lib,libtpunet) $(DESTDIR)$(PREFIX)/lib
	sed 's|@PREFIX@|$(PREFIX)|;s|@VERSION@|$(VERSION)|' packaging/tpunet.pc.in \
	    > $(DESTDIR)$(PREFIX)/lib/pkgconfig/tpunet.pc
	for unit in packaging/systemd/*.service; do \
	    sed 's|^ExecStart=|ExecStart=$(PREFIX)/bin/|' $$unit \
	        > $(DESTDIR)$(PREFIX)/lib/systemd/system/$${unit##*/} || exit 1; done
	install -m 644 packaging/*.yaml.example $(DESTDIR)$(PREFIX)/share/doc/podmgr/examples
	install -m 644 podctl/completion.bash \
	    $(DESTDIR)$(PREFIX)/share/bash-completion/completions/podctl

clean: ## remove build/
	rm -rf build

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
