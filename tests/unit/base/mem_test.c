/* mem_test.c -- counting, refusals, and the failing allocation of torture. */
#include "test.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/mem.h"

TEST("what is allocated is counted, and freed again") {
    size_t before = mem_used();
    void *p = mem_alloc(100000);
    CHECK_INT(mem_used() - before, mem_usable(p));
    CHECK(mem_usable(p) >= 100000);
    mem_free(p);
    CHECK_INT(mem_used(), before);
}

TEST("the count follows a block that grows, shrinks and grows from nothing") {
    size_t before = mem_used();
    char *p = mem_realloc(NULL, 10);
    memcpy(p, "012345678", 10);
    p = mem_realloc(p, 1 << 20);
    CHECK_STR(p, "012345678");
    CHECK_INT(mem_used() - before, mem_usable(p));
    p = mem_realloc(p, 100);
    CHECK_STR(p, "012345678");
    CHECK_INT(mem_used() - before, mem_usable(p));
    mem_free(p);
    CHECK_INT(mem_used(), before);
}

TEST("every small size is counted as what the allocator gave") {
    size_t before = mem_used(), sum = 0;
    void *p[2000];
    for (size_t i = 0; i < 2000; i++) sum += mem_usable(p[i] = mem_alloc(i));
    CHECK_INT(mem_used() - before, sum);
    for (size_t i = 0; i < 2000; i++) mem_free(p[i]);
    CHECK_INT(mem_used(), before);
}

TEST("calloc gives zeros, strdup a copy, and free takes NULL") {
    unsigned char *p = mem_calloc(1000, 3);
    for (int i = 0; i < 3000; i++) CHECK_INT(p[i], 0);
    mem_free(p);
    char *s = mem_strdup("hello");
    CHECK_STR(s, "hello");
    mem_free(s);
    mem_free(NULL);
    CHECK_INT(mem_usable(NULL), 0);
}

TEST("zero bytes are a block of their own") {
    void *a = mem_alloc(0), *b = mem_calloc(0, 8), *c = mem_realloc(NULL, 0);
    CHECK(a != NULL && b != NULL && c != NULL && a != b);
    c = mem_realloc(c, 0);
    CHECK(c != NULL);
    mem_free(a);
    mem_free(b);
    mem_free(c);
}

TEST("sizes beyond all memory are refused and not counted") {
    size_t before = mem_used();
    volatile size_t huge = SIZE_MAX, half = SIZE_MAX / 2 + 2;
    CHECK(mem_try_alloc(huge) == NULL);
    CHECK(mem_try_alloc(huge - 4096) == NULL);
    CHECK(mem_try_calloc(half, 2) == NULL); /* The product wraps to 2. */
    CHECK(mem_try_calloc(huge, huge) == NULL);
    char *p = mem_try_alloc(10);
    CHECK(mem_try_realloc(p, huge) == NULL);
    mem_free(p);
    CHECK_INT(mem_used(), before);
}

TEST("a size that the program chose and cannot have ends the program") {
    fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        volatile size_t huge = SIZE_MAX;
        mem_alloc(huge);
        _exit(0);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFSIGNALED(status));
    CHECK_INT(WTERMSIG(status), SIGABRT);
}

TEST("the k-th attempt fails, once, and only attempts do") {
    mem_fail_at(3);
    void *a = mem_try_alloc(8), *must = mem_alloc(8), *b = mem_try_calloc(1, 8);
    CHECK(a != NULL && b != NULL);
    CHECK(mem_try_realloc(a, 80) == NULL);
    void *c = mem_try_alloc(8);
    CHECK(c != NULL);
    mem_fail_at(1);
    CHECK(mem_try_calloc(1, 1) == NULL);
    mem_fail_at(1);
    mem_fail_at(0);
    void *d = mem_try_alloc(1);
    CHECK(d != NULL);
    mem_free(a), mem_free(b), mem_free(c), mem_free(d), mem_free(must);
}

struct passed {
    void *blocks[100];
};

static void *allocate(void *cookie) {
    struct passed *p = cookie;
    for (int i = 0; i < 100; i++) p->blocks[i] = mem_alloc(1000);
    return NULL;
}

static void *release(void *cookie) {
    struct passed *p = cookie;
    for (int i = 0; i < 100; i++) mem_free(p->blocks[i]);
    return NULL;
}

static void in_thread(void *(*fn)(void *), void *cookie) {
    pthread_t t;
    CHECK_INT(pthread_create(&t, NULL, fn, cookie), 0);
    CHECK_INT(pthread_join(t, NULL), 0);
}

TEST("blocks that one thread allocates and another frees are counted right") {
    size_t before = mem_used();
    struct passed p;
    /* More threads than there are slots of their own. */
    for (int i = 0; i < 50; i++) {
        in_thread(allocate, &p);
        CHECK(mem_used() >= before + 100000);
        in_thread(release, &p);
        CHECK_INT(mem_used(), before);
    }
}

static void *churn(void *cookie) {
    (void)cookie;
    for (int i = 0; i < 20000; i++) mem_free(mem_alloc((size_t)i % 5000));
    return NULL;
}

TEST("threads that share a slot lose no count") {
    for (int i = 0; i < 70; i++) in_thread(churn, NULL); /* Slots of their own run out. */
    size_t before = mem_used();
    pthread_t t[4];
    for (int i = 0; i < 4; i++) CHECK_INT(pthread_create(&t[i], NULL, churn, NULL), 0);
    for (int i = 0; i < 4; i++) CHECK_INT(pthread_join(t[i], NULL), 0);
    CHECK_INT(mem_used(), before);
}

TEST("the peak stays when memory is freed") {
    void *p = mem_alloc(1 << 20);
    size_t high = mem_used();
    mem_free(p);
    CHECK(mem_used() < high);
    CHECK(mem_used_peak() >= high);
}

TEST("resident memory grows with what is touched") {
    size_t bytes = 64 << 20, before = mem_rss();
    CHECK(before > 0);
    char *p = mem_alloc(bytes);
    memset(p, 1, bytes);
    CHECK(mem_rss() > before + bytes / 2);
    mem_free(p);
    mem_purge();
}

TEST("sizes of one block need no reallocation, others do") {
    size_t same = 0;
    for (size_t n = 0; n < 9000; n += 7) {
        CHECK(mem_same_block(n, n));
        void *p = mem_alloc(n);
        size_t gives = mem_usable(p);
        CHECK(!mem_same_block(n, gives + 1));
        if (gives != n && mem_same_block(n, gives)) { /* Not under a sanitizer. */
            size_t used = mem_used();
            void *q = mem_realloc(p, gives);
            CHECK(q == p);
            CHECK_INT(mem_used(), used);
            same++;
        }
        mem_free(p);
    }
#ifndef COVE_SANITIZE
    CHECK(same > 1000);
#else
    CHECK_INT(same, 0); /* It is to see what lies past the end of any size. */
#endif
}
