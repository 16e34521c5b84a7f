/* boot_process.c -- the process and its store: daemon, pid file, supervisor, store by name. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "boot.h"
#include "objstore/file.h"
#include "objstore/s3.h"

#define FILE_STORE_THREADS 4
#define S3_CONNECTIONS 32
#define S3_ATTEMPTS 6
#define S3_TIMEOUT_MS 10000

static const char *const loglevel_words[] = {"debug", "verbose", "notice", "warning", "nothing", NULL};
static const char *const supervised_words[] = {"no", "auto", "upstart", "systemd", NULL};

#define F(field) offsetof(struct process_config, field)
const struct option process_options[] = {
    {"dir", NULL, OPTION_STRING, OPTION_PROTECTED, F(dir), "./", 0, 0, NULL, NULL,
     "Working folder; relative paths, that of the store included, start here."},
    {"daemonize", NULL, OPTION_BOOL, OPTION_IMMUTABLE, F(daemonize), "no", 0, 0, NULL, NULL,
     "Run in the background."},
    {"pidfile", NULL, OPTION_STRING, OPTION_IMMUTABLE, F(pidfile), "", 0, 0, NULL, NULL,
     "File that holds the process id while the server runs."},
    {"logfile", NULL, OPTION_STRING, OPTION_IMMUTABLE, F(logfile), "", 0, 0, NULL, NULL,
     "Log file; empty is standard output."},
    {"loglevel", NULL, OPTION_ENUM, 0, F(loglevel), "notice", 0, 0, loglevel_words, NULL,
     "Least weight of a line that is logged: debug, verbose, notice, warning."},
    {"supervised", NULL, OPTION_ENUM, OPTION_IMMUTABLE, F(supervised), "no", 0, 0, supervised_words,
     NULL, "Tell a supervisor when the server is ready: no, auto, upstart, systemd."},
};
const size_t process_options_count = sizeof(process_options) / sizeof(*process_options);

/* The number that stands in a file of the kernel's, behind a word or alone; INT64_MAX: none does. */
static int64_t read_number(const char *path, const char *word) {
    char text[512];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
    if (fd >= 0) close(fd);
    text[n < 0 ? 0 : n] = '\0';
    const char *at = strstr(text, word);
    long long got = at == NULL ? 0 : strtoll(at + strlen(word), NULL, 10);
    return got > 0 ? got : INT64_MAX;
}

int64_t boot_memory_bytes(void) {
    int64_t kib = read_number("/proc/meminfo", "MemTotal:");
    int64_t least = kib > INT64_MAX / 1024 ? INT64_MAX : kib * 1024;
    /* What a container may have: control groups of the second kind and of the first. */
    int64_t v2 = read_number("/sys/fs/cgroup/memory.max", "");
    int64_t v1 = read_number("/sys/fs/cgroup/memory/memory.limit_in_bytes", "");
    if (v2 < least) least = v2;
    if (v1 < least) least = v1;
    return least == INT64_MAX ? 0 : least;
}

int boot_daemonize(void) {
    pid_t pid = fork();
    if (pid < 0) return ERR_IO;
    if (pid > 0) _exit(0);
    setsid();
    int fd = open("/dev/null", O_RDWR);
    if (fd < 0) return ERR_IO;
    dup2(fd, 0);
    dup2(fd, 1);
    dup2(fd, 2);
    if (fd > 2) close(fd);
    return OK;
}

int boot_write_pidfile(const char *path) {
    FILE *f = fopen(path, "we");
    if (f == NULL) return ERR_IO;
    int n = fprintf(f, "%d\n", (int)getpid());
    return fclose(f) == 0 && n > 0 ? OK : ERR_IO;
}

void boot_notify_supervisor(const char *state) {
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (path == NULL || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(a.sun_path)) return;
    size_t n = strlen(path);
    memcpy(a.sun_path, path, n);
    if (a.sun_path[0] == '@') a.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return;
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
    ssize_t sent = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&a, len);
    (void)sent; /* A supervisor that does not listen is its own problem. */
    close(fd);
}

/* s3://bucket/prefix -> its parts. */
static int split_s3(const char *url, char *bucket, size_t bucket_size, char *prefix,
                    size_t prefix_size) {
    const char *p = url + strlen("s3://"), *slash = strchr(p, '/');
    size_t n = slash == NULL ? strlen(p) : (size_t)(slash - p);
    if (n == 0 || n >= bucket_size) return ERR_SYNTAX;
    memcpy(bucket, p, n);
    bucket[n] = '\0';
    snprintf(prefix, prefix_size, "%s", slash == NULL ? "" : slash + 1);
    n = strlen(prefix);
    while (n > 0 && prefix[n - 1] == '/') prefix[--n] = '\0';
    return OK;
}

int boot_store(loop *l, const struct tier_config *config, rnd *r, logger *log, objstore **out,
               char why[256]) {
    const char *name = config->store;
    if (strncmp(name, "file:", 5) == 0 && name[5] != '\0') {
        int rc = objstore_file_create(l, fsys_real(), name + 5, FILE_STORE_THREADS, log, out, why);
        return rc == OK ? objstore_file_sync_all(*out) : rc;
    }
    if (strncmp(name, "s3://", 5) == 0) {
        char bucket[128], prefix[512];
        if (split_s3(name, bucket, sizeof(bucket), prefix, sizeof(prefix)) != OK) {
            snprintf(why, 256, "store '%s' names no bucket: write s3://bucket/prefix", name);
            return ERR_SYNTAX;
        }
        struct s3_config c = {.bucket = bucket, .prefix = prefix, .endpoint = config->store_endpoint,
                              .region = config->store_region, .path_style = config->store_path_style,
                              .ca_file = config->store_ca_file, .connections_max = S3_CONNECTIONS,
                              .attempts_max = S3_ATTEMPTS, .timeout_ms = S3_TIMEOUT_MS};
        return objstore_s3_create(l, &c, r, log, out, why);
    }
    snprintf(why, 256, "store '%s' is neither file:FOLDER nor s3://BUCKET/PREFIX", name);
    return ERR_SYNTAX;
}
