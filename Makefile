# Makefile -- one file, not recursive; all output under build/.
#
#   make run     install what is missing, build, start on 127.0.0.1:6379 over ./data
#   make test    install what tests need, run every test, end with "N passed, N failed"

ifeq ($(origin CC),default)
CC = gcc
endif
OPT ?= -O2
JOBS = $(shell nproc 2>/dev/null || echo 2)
B ?= build
WARN = -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wconversion \
       -Wformat=2 -Wimplicit-fallthrough -Werror=format-security -Werror=implicit \
       -Werror=incompatible-pointer-types -Werror=int-conversion
HARDEN = -fstack-protector-strong -fstack-clash-protection -fno-delete-null-pointer-checks \
         -fno-strict-overflow -fno-strict-aliasing -fPIE
ifeq ($(shell uname -m),x86_64)
HARDEN += -fcf-protection=full
endif
ifeq ($(SAN),)
HARDEN += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2
MALLOC = -ljemalloc
else
OPT = -O1
SANFLAGS = -fsanitize=$(SAN) -fno-sanitize-recover=all -fno-omit-frame-pointer -DCOVE_SANITIZE=1
endif
# Objects hold their machine code and what the compiler knew of it as well. The server is linked from the latter, with
# all layers in view: 6 to 18 % less time a command, for 40 seconds of linking. Tests are linked from the former, and
# so is the server with LTO=no.
LTO ?= yes
ifneq ($(SAN)$(findstring clang,$(CC)),)
override LTO = no
else
FAT = -flto -ffat-lto-objects
endif
LTO_LINK = -fno-lto
CFLAGS = -std=c11 -D_GNU_SOURCE $(OPT) -g -pthread -Iserver -I. -MMD -MP $(WARN) $(WERROR) $(HARDEN) \
         $(FAT) $(SANFLAGS) $(EXTRA_CFLAGS)
LDFLAGS = $(LTO_LINK) -pthread -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed $(SANFLAGS)
LIBS = -lcurl -lssl -lcrypto -lzstd -lroaring -lxxhash -luring -lm $(MALLOC)

# Folders are layers, lowest first. A library a folder: a unit test links its own and those below.
LAYERS = base event resp objstore types keyspace tier exec commands
MODULES = $(notdir $(patsubst %/,%,$(wildcard modules/*/)))
lib_of = $(B)/lib/$(1).a
SRC_LAYERS = $(foreach l,$(LAYERS),$(wildcard server/$(l)/*.c))
SRC_MODULES = $(foreach m,$(MODULES),$(wildcard modules/$(m)/*.c))
LIBS_LAYERS = $(foreach l,$(LAYERS),$(call lib_of,$(l)))
LIBS_MODULES = $(foreach m,$(MODULES),$(call lib_of,module-$(m)))
ALL_LIBS = $(LIBS_MODULES) $(foreach l,commands exec tier keyspace types objstore resp event base,$(call lib_of,$(l)))

.PHONY: all build setup setup-test run clean libs unit-tests
all: build
build: $(B)/cove-server
libs: $(ALL_LIBS)

# What stands above the layers: main.c, and what it wires the server with.
OBJ_TOP = $(patsubst %.c,$(B)/%.o,$(wildcard server/*.c))
ifeq ($(LTO),yes)
$(B)/cove-server: LTO_LINK = -flto=auto
endif
$(B)/cove-server: $(OBJ_TOP) $(ALL_LIBS) $(B)/lto
	$(CC) $(LDFLAGS) -o $@ $(OBJ_TOP) -Wl,--start-group $(ALL_LIBS) -Wl,--end-group $(LIBS)

# Its time changes when LTO does, and the server is linked anew.
$(B)/lto: always
	@mkdir -p $(@D); echo '$(LTO)' | cmp -s - $@ || echo '$(LTO)' >$@
.PHONY: always

define layer_rule
$(call lib_of,$(1)): $$(patsubst %.c,$(B)/%.o,$$(wildcard server/$(1)/*.c))
	@mkdir -p $$(@D); rm -f $$@
	@ar rcs $$@ $$^
endef
define module_rule
$(call lib_of,module-$(1)): $$(patsubst %.c,$(B)/%.o,$$(wildcard modules/$(1)/*.c))
	@mkdir -p $$(@D); rm -f $$@
	@ar rcs $$@ $$^
endef
$(foreach l,$(LAYERS),$(eval $(call layer_rule,$(l))))
$(foreach m,$(MODULES),$(eval $(call module_rule,$(m))))

$(B)/%.o: %.c
	@mkdir -p $(@D)
	$(if $(V),,@echo '  CC $<')
	$(if $(V),,@)$(CC) $(CFLAGS) -c -o $@ $<

# Modules have loops of their own, and few calls to what is below them.
$(B)/modules/%.o: FAT =
# Everything in them is inlined: no vector is ever passed.
$(B)/modules/vector/lanes_plain.o $(B)/modules/vector/lanes_avx2.o: CFLAGS += -Wno-psabi

# Unit tests: tests/unit/<layer>/<name>_test.c links that layer and those below it.
below_base = base
below_event = event base
below_resp = resp base
below_objstore = objstore event base
below_types = types base
below_keyspace = keyspace types base
below_tier = tier keyspace types objstore event base
below_exec = exec tier keyspace types objstore resp event base
below_commands = commands exec tier keyspace types objstore resp event base
define unit_rule
$(B)/tests/unit/$(1)/%: tests/unit/$(1)/%.c $(B)/tests/test.o $(foreach l,$(below_$(1)),$(call lib_of,$(l)))
	@mkdir -p $$(@D)
	$(CC) $(CFLAGS) -Itests $(LDFLAGS) -o $$@ $$< $(B)/tests/test.o -Wl,--start-group $(foreach l,$(below_$(1)),$(call lib_of,$(l))) -Wl,--end-group $(LIBS)
endef
$(foreach l,$(LAYERS),$(eval $(call unit_rule,$(l))))
# Those of a module, tests/unit/<module>/<name>_test.c, link it and the whole server.
define module_unit_rule
$(B)/tests/unit/$(1)/%: tests/unit/$(1)/%.c $(B)/tests/test.o $(ALL_LIBS)
	@mkdir -p $$(@D)
	$(CC) $(CFLAGS) -Itests $(LDFLAGS) -o $$@ $$< $(B)/tests/test.o -Wl,--start-group $(ALL_LIBS) -Wl,--end-group $(LIBS)
endef
$(foreach m,$(MODULES),$(eval $(call module_unit_rule,$(m))))
UNIT_TESTS = $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*/*_test.c))

# Tests of more than one layer: tests/<kind>/<name>.c links everything but main.c.
define whole_rule
$(B)/tests/$(1)/%: tests/$(1)/%.c $(B)/tests/test.o $(ALL_LIBS)
	@mkdir -p $$(@D)
	$(CC) $(CFLAGS) -Itests $(LDFLAGS) -o $$@ $$< $(B)/tests/test.o -Wl,--start-group $(ALL_LIBS) -Wl,--end-group $(LIBS)
endef
$(foreach k,model sim golden torture bench,$(eval $(call whole_rule,$(k))))
# Not a test: a program of its own, whose loops over floats want vectors.
$(B)/tests/bench/vectors_data: tests/bench/vectors_data.c $(call lib_of,base)
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -O3 $(LDFLAGS) -o $@ $< $(call lib_of,base) $(LIBS)
include tests/s3/s3.mk
tests_of = $(patsubst %.c,$(B)/%,$(wildcard tests/$(1)/*_test.c))

setup:
	@tools/setup.sh build
setup-test:
	@tools/setup.sh test

# In a make of its own: the compiler may have come with setup. The server itself says when the
# port is taken, and exits 1.
run: setup
	@$(MAKE) --no-print-directory -j$(JOBS) build
	@exec $(B)/cove-server --bind 127.0.0.1 --port 6379 --dir . --store file:./data

# Every stage, one closing line. WERROR: what is compiled here has no warnings.
.PHONY: test test-large test-build test-unit test-model test-golden test-style test-tcl test-clients test-s3 test-redis \
        test-compat test-crash test-owners test-real test-sizes test-torture bench bench-vectors asan tidy fuzz sim torture
test: setup setup-test
	@WERROR=-Werror tests/run.sh tests/stages $(STAGES)
test-large: setup setup-test
	@WERROR=-Werror tests/run.sh tests/stages-large $(STAGES)

# A stage like the others: when the server does not build, what needs no server still runs.
test-build:
	@$(MAKE) --no-print-directory -j$(JOBS) build unit-tests && echo "1 passed, 0 failed"
unit-tests: $(UNIT_TESTS)
test-unit: $(UNIT_TESTS)
	@tests/run.sh -- $^
test-model: $(call tests_of,model)
	@tests/run.sh -- $^
test-golden: $(call tests_of,golden)
	@tests/run.sh -- $^
# SEED=n repeats one run; ROUNDS=n makes more of them.
sim: $(call tests_of,sim)
	@COVE_SEED=$(SEED) COVE_ROUNDS=$(ROUNDS) tests/run.sh -- $^
# The file store over a file system that loses what was not synced, at every step.
torture: $(B)/tests/unit/objstore/file_powerloss_test
	@tests/run.sh -- $^
test-style:
	@$(MAKE) --no-print-directory -s -k build >/dev/null 2>&1 || echo "# the server does not build"
	@B=$(B) tests/run.sh -- $(sort $(wildcard tests/style/*.py))
test-tcl: build
	@tclsh tcl-tests/run.tcl --server $(B)/cove-server $(TCL_ARGS)
test-clients: build
	@tests/clients/run.sh
test-s3: build
	@tests/s3/run.sh
# Redis's own suite; UNITS=unit/type/hash runs that part of it.
test-redis: build
	@B=$(B) tests/redis/run.sh $(UNITS)
# The same random commands to Redis and to Cove; SEED=n repeats a run.
test-compat: build
	@B=$(B) tests/compat/run.sh $(SEED)
test-crash: build
	@COVE_SERVER=$(abspath $(B))/cove-server tests/crash/run.sh
test-real: build
	@tests/real/run.sh $(REAL_STORES)
test-owners: build
	@tests/owners/run.sh
# More data than memory, cold starts, snapshots: SIZE=full takes gigabytes of disk and an hour.
test-sizes: build $(B)/tests/bench/vectors_data
	@tests/large/run.sh $(or $(SIZE),small)
bench: setup setup-test
	@$(MAKE) --no-print-directory build
	@tests/bench/run.sh
# Hours at full size: BENCH_ARGS="--scale 0.1 --only library,resp" is what tests/bench/vectors.py takes.
bench-vectors: setup
	@$(MAKE) --no-print-directory build $(B)/tests/bench/vectors_data
	@tests/bench/vectors.sh $(BENCH_ARGS)

# The unit, model, golden and tcl tests under ASan and UBSan, built into a folder of their own.
ASAN = SAN=address,undefined B=build/asan
asan:
	@$(MAKE) --no-print-directory -j$(JOBS) $(ASAN) build
	@TEST_LOGS=build/asan/test-logs tests/run.sh tests/stages-asan

# clang-tidy over the sources, as .clang-tidy says. Any finding fails.
tidy:
	@B=$(B) tools/tidy.sh

# Each tests/fuzz/<name>_fuzz.c runs FUZZ_SECONDS over tests/fuzz/corpus/<name>/.
FUZZ_SECONDS ?= 10
FUZZ_FLAGS = CC=clang B=build/fuzz SAN=address,undefined EXTRA_CFLAGS=-fsanitize=fuzzer-no-link
FUZZERS = $(patsubst tests/fuzz/%.c,%,$(wildcard tests/fuzz/*_fuzz.c))
.PHONY: fuzz-build
.SECONDARY: $(FUZZERS:%=$(B)/tests/fuzz/%.o)
$(FUZZERS:%=$(B)/tests/fuzz/%.o): CFLAGS += -Itests
fuzz:
	@$(MAKE) --no-print-directory -j$(JOBS) $(FUZZ_FLAGS) fuzz-build
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/fuzz/run.sh $(FUZZERS)
fuzz-build: $(FUZZERS:%=$(B)/tests/fuzz/%)
$(B)/tests/fuzz/%_fuzz: $(B)/tests/fuzz/%_fuzz.o $(ALL_LIBS)
	$(CC) $(LDFLAGS) -fsanitize=fuzzer -o $@ $< -Wl,--start-group $(ALL_LIBS) -Wl,--end-group $(LIBS)

clean:
	rm -rf build

-include $(shell find $(B)/server $(B)/modules $(B)/tests $(B)/examples -type f -name '*.d' 2>/dev/null)
