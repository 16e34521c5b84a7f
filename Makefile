# Makefile -- one file, not recursive; all output under build/.
#
#   make run     install what is missing, build, start on 127.0.0.1:6379 over ./data
#   make test    install what tests need, run every test, end with "N passed, N failed"

CC ?= gcc
OPT ?= -O2
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
CFLAGS = -std=c11 -D_GNU_SOURCE $(OPT) -g -pthread -Iserver -I. -MMD -MP $(WARN) $(WERROR) $(HARDEN) \
         $(SANFLAGS) $(EXTRA_CFLAGS)
LDFLAGS = -pthread -pie -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed $(SANFLAGS)
LIBS = -lcurl -lssl -lcrypto -lzstd -lroaring -lxxhash -lm $(MALLOC)

# Folders are layers, lowest first. A library a folder: a unit test links its own and those below.
LAYERS = base event resp objstore types keyspace tier exec commands
MODULES = $(notdir $(patsubst %/,%,$(wildcard modules/*/)))
lib_of = $(B)/lib/$(1).a
SRC_LAYERS = $(foreach l,$(LAYERS),$(wildcard server/$(l)/*.c))
SRC_MODULES = $(foreach m,$(MODULES),$(wildcard modules/$(m)/*.c))
LIBS_LAYERS = $(foreach l,$(LAYERS),$(call lib_of,$(l)))
LIBS_MODULES = $(foreach m,$(MODULES),$(call lib_of,module-$(m)))
ALL_LIBS = $(LIBS_MODULES) $(foreach l,commands exec tier keyspace types objstore resp event base,$(call lib_of,$(l)))

.PHONY: all build
all: build
build: $(B)/cove-server

$(B)/cove-server: $(B)/server/main.o $(ALL_LIBS)
	$(CC) $(LDFLAGS) -o $@ $< -Wl,--start-group $(ALL_LIBS) -Wl,--end-group $(LIBS)

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
	$(CC) $(CFLAGS) -c -o $@ $<

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
UNIT_TESTS = $(patsubst %.c,$(B)/%,$(wildcard tests/unit/*/*_test.c))

-include $(shell find $(B) -name '*.d' 2>/dev/null)
