/* boot.h -- what main.c is made of: configuration from file and arguments, the process (daemon, pid
 * file, supervisor), the store that an option names. Nothing but main.c includes it. */
#ifndef COVE_BOOT_H
#define COVE_BOOT_H

#include "base/log.h"
#include "base/option.h"
#include "base/rnd.h"
#include "event/loop.h"
#include "exec/acl.h"
#include "objstore/objstore.h"
#include "tier/tier.h"

struct process_config { /* option table: process_options */
    char *dir, *pidfile, *logfile;
    bool daemonize;
    int loglevel, supervised;
};
extern const struct option process_options[];
extern const size_t process_options_count;
/* Options of Redis that have no meaning here: accepted, kept, answered by CONFIG GET. */
struct compat_config;
extern const struct option compat_options[];
extern const size_t compat_options_count;
void *compat_config_create(void);

struct boot { /* what the configuration changes, borrowed */
    options *options;
    commands *commands;
    acl *acl;
    struct boot_user *users; /* boot_config.c's own */
    size_t users_n;
    char *import, *export; /* --import FILE, --export FILE, absolute: one of them, or NULL. No user, no renamed
                            * command and no password counts then. */
};
/* argv as of main. Renames commands and declares users where it says so. Reads the file it names (or "-": standard input), its includes, then --name value
 * ... directives, which win. On failure prints a message in Redis's form to stderr, ERR_SYNTAX. */
int boot_configure(struct boot *b, int argc, char **argv, char *file, size_t file_size);

/* Bytes that the machine, or the container, has for this process; 0: not known. */
int64_t boot_memory_bytes(void);
int boot_daemonize(void);                 /* in the child: OK */
int boot_write_pidfile(const char *path); /* ERR_IO */
void boot_notify_supervisor(const char *state); /* systemd's socket; no-op without one */

/* file:PATH or s3://BUCKET/PREFIX. ERR_SYNTAX, or the store's error, and a sentence. */
int boot_store(loop *l, const struct tier_config *config, rnd *r, logger *log, objstore **out,
               char why[256]);

#endif
