/* mem.c -- counted memory over jemalloc.
 *
 * Counting must not cost more than the allocation. Each thread adds to a counter of its own
 * cache line, with a plain load and store; mem_used() sums them. A block that one thread
 * allocates and another frees leaves one counter high and the other low (they wrap); the sum
 * is right. The first SLOTS - 1 threads of the process own a slot each for good: the
 * server's threads live as long as it does. Later threads share slot 0 and pay an atomic
 * add.
 *
 * What is counted is what the allocator gave, not what was asked for: maxmemory is about
 * memory, not about wishes. jemalloc tells the size that a request rounds up to from a table
 * (nallocx), and a free that is told the size (sdallocx) saves looking it up again.
 *
 * Under COVE_SANITIZE there is no jemalloc: the sanitizer's own malloc must see the calls. */
#include "base/mem.h"

#include <assert.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>
#ifndef COVE_SANITIZE
#include <jemalloc/jemalloc.h>
#endif

#include "base/num.h"

#define SLOTS 64 /* Threads of a server: the loop, a few workers per core, transfers. */

/* A huge page stays whole while one block in it lives. Where pages of data come and go all the
 * time that was 65 to 75 MiB of RSS at 24 to 128 MiB of data, and zeroing huge pages took as
 * long as all the rest: not worth it below this limit. */
#define HUGE_LIMIT_BYTES ((size_t)1 << 30)

struct slot {
    _Alignas(64) _Atomic size_t used;
};

/* Counters of the one process-wide allocator cannot belong to anyone else. */
static struct {
    struct slot slots[SLOTS];
    atomic_uint threads;
    _Atomic size_t peak;
    atomic_long fail_at;
    atomic_bool small_pages;
} state;
static _Thread_local struct slot *mine;

#ifndef COVE_SANITIZE
/* jemalloc looks for a symbol malloc_conf at its start.
 * thp: left to the kernel's own setting. Asked for always, a first touch clears 2 MB at once: 20 to 35
 * ms of the loop's time on a virtual machine, while the directory's 16 KiB pages gained nothing that
 * could be measured. dirty_decay: freed pages go back to the kernel within a second or two, so that RSS
 * follows mem_used(); muzzy pages would still count as RSS until the kernel is short. The thread that
 * does this is started by mem_background(): it would not live through a daemon's fork(). */
extern const char *const mem_malloc_conf __asm__("malloc_conf");
const char *const mem_malloc_conf = "thp:default,background_thread:false,"
                                    "dirty_decay_ms:200,muzzy_decay_ms:0,narenas:2";
#endif

static struct slot *slot_take(void) {
    unsigned n = atomic_fetch_add_explicit(&state.threads, 1, memory_order_relaxed);
    mine = n < SLOTS - 1 ? &state.slots[n + 1] : &state.slots[0];
    return mine;
}

/* `bytes` may be "negative": size_t wraps. */
static inline void count(size_t bytes) {
    struct slot *s = mine;
    if (__builtin_expect(s == NULL, 0)) s = slot_take();
    if (__builtin_expect(s == &state.slots[0], 0)) {
        atomic_fetch_add_explicit(&s->used, bytes, memory_order_relaxed);
        return;
    }
    /* One writer: no need for a locked instruction. */
    size_t v = atomic_load_explicit(&s->used, memory_order_relaxed);
    atomic_store_explicit(&s->used, v + bytes, memory_order_relaxed);
}

/* What a new block of `bytes` takes. */
static inline size_t size_of_new(void *p, size_t bytes) {
#ifdef COVE_SANITIZE
    (void)bytes;
    return malloc_usable_size(p);
#else
    (void)p;
    return nallocx(bytes, 0);
#endif
}

bool mem_same_block(size_t had, size_t bytes) {
#ifdef COVE_SANITIZE
    return had == bytes; /* The sanitizer is to see what lies past the end. */
#else
    return nallocx(had == 0 ? 1 : had, 0) == nallocx(bytes == 0 ? 1 : bytes, 0);
#endif
}

size_t mem_usable(const void *p) {
    if (p == NULL) return 0;
    /* The interface of malloc.h wants a pointer to non-const, and does not write. */
    return malloc_usable_size((void *)(uintptr_t)p);
}

static inline void *take(size_t bytes) {
    if (bytes == 0) bytes = 1;
    if (__builtin_expect(bytes > PTRDIFF_MAX, 0)) return NULL;
    void *p = malloc(bytes);
    if (__builtin_expect(p != NULL, 1)) count(size_of_new(p, bytes));
    return p;
}

static void *take_zeroed(size_t n, size_t size) {
    size_t bytes;
    if (__builtin_mul_overflow(n, size, &bytes) || bytes > PTRDIFF_MAX) return NULL;
    if (bytes == 0) bytes = 1;
    void *p = calloc(1, bytes);
    if (p != NULL) count(size_of_new(p, bytes));
    return p;
}

static void *retake(void *p, size_t bytes) {
    if (p == NULL) return take(bytes);
    if (bytes == 0) bytes = 1;
    if (bytes > PTRDIFF_MAX) return NULL;
    size_t before = mem_usable(p);
    void *q = realloc(p, bytes);
    if (q != NULL) count(size_of_new(q, bytes) - before);
    return q;
}

/* Whether the torture test wants this attempt to fail. */
static inline bool must_fail(void) {
    if (__builtin_expect(atomic_load_explicit(&state.fail_at, memory_order_relaxed) == 0, 1))
        return false;
    return atomic_fetch_sub_explicit(&state.fail_at, 1, memory_order_relaxed) == 1;
}

void mem_fail_at(long k) {
    assert(k >= 0);
    atomic_store_explicit(&state.fail_at, k, memory_order_relaxed);
}

void *mem_alloc(size_t bytes) {
    void *p = take(bytes);
    if (__builtin_expect(p == NULL, 0)) abort();
    return p;
}

void *mem_calloc(size_t n, size_t size) {
    void *p = take_zeroed(n, size);
    if (p == NULL) abort();
    return p;
}

void *mem_realloc(void *p, size_t bytes) {
    void *q = retake(p, bytes);
    if (q == NULL) abort();
    return q;
}

void *mem_try_alloc(size_t bytes) {
    return must_fail() ? NULL : take(bytes);
}

void *mem_try_calloc(size_t n, size_t size) {
    return must_fail() ? NULL : take_zeroed(n, size);
}

void *mem_try_realloc(void *p, size_t bytes) {
    return must_fail() ? NULL : retake(p, bytes);
}

void mem_free(void *p) {
    if (p == NULL) return;
    size_t bytes = mem_usable(p);
    count((size_t)0 - bytes);
#ifdef COVE_SANITIZE
    free(p);
#else
    sdallocx(p, bytes, 0);
#endif
}

char *mem_strdup(const char *s) {
    size_t n = strlen(s) + 1;
    return memcpy(mem_alloc(n), s, n);
}

size_t mem_used(void) {
    size_t sum = 0;
    for (size_t i = 0; i < SLOTS; i++)
        sum += atomic_load_explicit(&state.slots[i].used, memory_order_relaxed);
    /* A block freed between the reading of two slots may make the sum wrap for a moment. */
    if (sum > PTRDIFF_MAX) sum = 0;
    size_t peak = atomic_load_explicit(&state.peak, memory_order_relaxed);
    while (sum > peak &&
           !atomic_compare_exchange_weak_explicit(&state.peak, &peak, sum,
                                                  memory_order_relaxed, memory_order_relaxed)) {
    }
    return sum;
}

size_t mem_used_peak(void) {
    return atomic_load_explicit(&state.peak, memory_order_relaxed);
}

size_t mem_rss(void) {
    /* "size resident shared ...", in pages. */
    char text[256];
    int fd = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof(text));
    close(fd);
    if (n <= 0) return 0;
    const char *end = text + n;
    const char *a = memchr(text, ' ', (size_t)n);
    if (a == NULL) return 0;
    a++;
    const char *b = memchr(a, ' ', (size_t)(end - a));
    uint64_t pages;
    if (b == NULL || !num_parse_ull(slice_make(a, (size_t)(b - a)), &pages)) return 0;
    long page_bytes = sysconf(_SC_PAGESIZE);
    return page_bytes > 0 ? (size_t)pages * (size_t)page_bytes : 0;
}

void mem_limit(size_t bytes) {
    bool small = bytes != 0 && bytes < HUGE_LIMIT_BYTES;
    if (small == atomic_load_explicit(&state.small_pages, memory_order_relaxed)) return;
    atomic_store_explicit(&state.small_pages, small, memory_order_relaxed);
    /* Where the kernel cannot, memory is only larger or slower. */
    (void)prctl(PR_SET_THP_DISABLE, small ? 1 : 0, 0, 0, 0);
}

void mem_background(void) {
#ifndef COVE_SANITIZE
    bool on = true;
    (void)mallctl("background_thread", NULL, NULL, &on, sizeof(on)); /* Without it: later. */
#endif
}

void mem_purge(void) {
#ifdef COVE_SANITIZE
    malloc_trim(0);
#else
#define TEXT_OF_(x) #x
#define TEXT_OF(x) TEXT_OF_(x)
    /* Failing to purge leaves the pages to the decay. */
    (void)mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
    (void)mallctl("arena." TEXT_OF(MALLCTL_ARENAS_ALL) ".purge", NULL, NULL, NULL, 0);
#endif
}
