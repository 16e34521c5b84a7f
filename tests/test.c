/* test.c -- the runner behind test.h. */
#include "test.h"

#include <stdarg.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#define TESTS_MAX 512

static struct { const char *name; test_fn *fn; int timeout_s; } tests[TESTS_MAX];
static int tests_count;

void test_register(const char *name, test_fn *fn, int timeout_s) {
    if (tests_count == TESTS_MAX) abort();
    tests[tests_count].name = name;
    tests[tests_count].fn = fn;
    tests[tests_count++].timeout_s = timeout_s;
}

void test_fail(const char *file, int line, const char *fmt, ...) {
    va_list ap;
    va_start(ap, fmt);
    printf("# %s:%d: ", file, line);
    vprintf(fmt, ap);
    printf("\n");
    va_end(ap);
    fflush(stdout);
    _exit(1);
}

static bool run_one(int i, bool forked) {
    if (!forked) {
        tests[i].fn();
        return true;
    }
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        alarm((unsigned)tests[i].timeout_s);
        tests[i].fn();
        fflush(stdout);
        exit(0); /* Not _exit(): leak and coverage reports are made at exit. */
    }
    int status = 0;
    if (pid < 0 || waitpid(pid, &status, 0) != pid) return false;
    if (WIFSIGNALED(status)) printf("# killed by signal %d\n", WTERMSIG(status));
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

int main(int argc, char **argv) {
    const char *word = argc > 1 ? argv[1] : NULL;
    const char *env = getenv("TEST_FORK");
    bool forked = env == NULL || strcmp(env, "0") != 0;
    int passed = 0, failed = 0, number = 0;
    for (int i = 0; i < tests_count; i++) {
        if (word != NULL && strstr(tests[i].name, word) == NULL) continue;
        bool ok = run_one(i, forked);
        printf("%sok %d - %s\n", ok ? "" : "not ", ++number, tests[i].name);
        fflush(stdout);
        if (ok) passed++;
        else failed++;
    }
    printf("1..%d\n%d passed, %d failed\n", number, passed, failed);
    return failed != 0 || number == 0;
}
