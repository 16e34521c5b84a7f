/* loop_test.c -- the loop's promises: order of timers, posts from other threads, nothing
 * delivered after an unwatch, hooks before each sleep. Pipes stand for sockets. */
#include "event/loop.h"

#include <fcntl.h>
#include <pthread.h>
#include <time.h>
#include <unistd.h>

#include "event/loop_internal.h"
#include "test.h"

struct trace {
    loop *loop;
    char text[256];
    size_t n;
};

static void note(struct trace *t, char c) {
    CHECK(t->n + 1 < sizeof(t->text));
    t->text[t->n++] = c;
    t->text[t->n] = '\0';
}

struct step { /* a callback that notes one letter */
    struct trace *trace;
    char letter;
};

static void step_run(void *cookie) {
    struct step *s = cookie;
    note(s->trace, s->letter);
}

static loop *loop_over(clock_manual *clock) {
    loop *l = NULL;
    clock_manual_init(clock, 1700000000000000u, 5000000);
    CHECK_INT(loop_create(&clock->base, &l), OK);
    return l;
}

TEST("timers fire by deadline, and in the order made when deadlines are equal") {
    clock_manual clock;
    loop *l = loop_over(&clock);
    struct trace t = {.loop = l};
    struct step s[] = {{&t, 'a'}, {&t, 'b'}, {&t, 'c'}, {&t, 'd'}, {&t, 'e'}};
    loop_timer(l, 3000, step_run, &s[3]);
    loop_timer(l, 1000, step_run, &s[0]);
    loop_timer(l, 2000, step_run, &s[1]);
    loop_timer(l, 2000, step_run, &s[2]);
    loop_timer(l, 9000, step_run, &s[4]);
    CHECK_STR(t.text, "");
    loop_turn(l, 0);
    CHECK_STR(t.text, "");
    clock_manual_advance(&clock, 999);
    loop_turn(l, 0);
    CHECK_STR(t.text, "");
    clock_manual_advance(&clock, 1);
    loop_turn(l, 0);
    CHECK_STR(t.text, "a");
    clock_manual_advance(&clock, 2000);
    loop_turn(l, 0);
    CHECK_STR(t.text, "abcd");
    clock_manual_advance(&clock, 60000000);
    loop_turn(l, 0);
    CHECK_STR(t.text, "abcde");
    loop_free(l);
}

struct many {
    loop *loop;
    timer *timers[1000];
    uint64_t due[1000];
    uint64_t last;
    size_t fired;
};
struct one {
    struct many *many;
    size_t i;
};

static void many_fired(void *cookie) {
    struct one *o = cookie;
    struct many *m = o->many;
    CHECK(m->timers[o->i] != NULL);
    m->timers[o->i] = NULL;
    CHECK(m->due[o->i] >= m->last);
    CHECK(m->due[o->i] <= loop_now_us(m->loop));
    m->last = m->due[o->i];
    m->fired++;
}

TEST("a thousand timers, a third of them canceled, fire in order") {
    clock_manual clock;
    struct many m = {.loop = loop_over(&clock)};
    struct one ones[1000];
    uint64_t x = 12345;
    for (size_t i = 0; i < 1000; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        uint64_t delay = (x >> 33) % 5000;
        ones[i] = (struct one){&m, i};
        m.due[i] = loop_now_us(m.loop) + delay;
        m.timers[i] = loop_timer(m.loop, delay, many_fired, &ones[i]);
    }
    for (size_t i = 0; i < 1000; i += 3) {
        loop_timer_cancel(m.loop, m.timers[i]);
        m.timers[i] = NULL;
    }
    for (int turn = 0; turn < 60; turn++) {
        clock_manual_advance(&clock, 100);
        loop_turn(m.loop, 0);
    }
    CHECK_INT(m.fired, 1000 - 334);
    loop_free(m.loop);
}

static void again_fired(void *cookie) {
    struct step *s = cookie;
    note(s->trace, s->letter);
    if (s->trace->n < 3) loop_timer(s->trace->loop, 0, again_fired, s);
}

TEST("a timer made by a timer waits for the next turn, even with no delay") {
    clock_manual clock;
    loop *l = loop_over(&clock);
    struct trace t = {.loop = l};
    struct step s = {&t, 'x'};
    loop_timer(l, 0, again_fired, &s);
    loop_turn(l, -1);
    CHECK_STR(t.text, "x");
    loop_turn(l, -1);
    CHECK_STR(t.text, "xx");
    loop_turn(l, -1);
    CHECK_STR(t.text, "xxx");
    loop_turn(l, 0);
    CHECK_STR(t.text, "xxx");
    loop_free(l);
}

struct cancel {
    loop *loop;
    timer *other;
};

static void cancel_other(void *cookie) {
    struct cancel *c = cookie;
    loop_timer_cancel(c->loop, c->other);
}

TEST("a timer that is canceled by one due in the same turn does not fire") {
    clock_manual clock;
    loop *l = loop_over(&clock);
    struct trace t = {.loop = l};
    struct step s = {&t, 'x'};
    struct cancel c = {l, NULL};
    loop_timer(l, 10, cancel_other, &c);
    c.other = loop_timer(l, 20, step_run, &s);
    clock_manual_advance(&clock, 100);
    loop_turn(l, 0);
    CHECK_STR(t.text, "");
    loop_free(l);
}

TEST("the loop sleeps until the timer and not much longer") {
    loop *l = NULL;
    struct trace t = {.n = 0};
    struct step s = {&t, 'x'};
    CHECK_INT(loop_create(clock_real(), &l), OK);
    uint64_t start = loop_now_us(l);
    loop_timer(l, 20000, step_run, &s);
    int turns = 0;
    while (t.n == 0) {
        loop_turn(l, -1);
        CHECK(++turns < 10);
    }
    CHECK(loop_now_us(l) - start >= 20000);
    loop_free(l);
}

/* -- posts -- */

#define POSTERS 4
#define POSTS_EACH 20000

struct poster {
    loop *loop;
    size_t *ran;
};

static void post_ran(void *cookie) {
    struct poster *p = cookie;
    ++*p->ran;
}

static void *poster_main(void *cookie) {
    struct poster *p = cookie;
    for (int i = 0; i < POSTS_EACH; i++) loop_post(p->loop, post_ran, p);
    return NULL;
}

TEST("every post of four threads runs once, though the loop sleeps between") {
    loop *l = NULL;
    pthread_t threads[POSTERS];
    size_t ran = 0;
    CHECK_INT(loop_create(clock_real(), &l), OK);
    struct poster p = {l, &ran};
    for (int i = 0; i < POSTERS; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, poster_main, &p), 0);
    while (ran < (size_t)POSTERS * POSTS_EACH) loop_turn(l, -1);
    for (int i = 0; i < POSTERS; i++) CHECK_INT(pthread_join(threads[i], NULL), 0);
    loop_turn(l, 0);
    CHECK_INT(ran, (size_t)POSTERS * POSTS_EACH);
    loop_free(l);
}

struct repost {
    loop *loop;
    int ran;
};

static void repost_ran(void *cookie) {
    struct repost *r = cookie;
    r->ran++;
    loop_post(r->loop, repost_ran, r);
}

TEST("a post made by a post runs in the next turn, without a sleep between") {
    clock_manual clock;
    struct repost r = {loop_over(&clock), 0};
    loop_post(r.loop, repost_ran, &r);
    CHECK_INT(r.ran, 0);
    for (int turn = 1; turn <= 3; turn++) {
        loop_turn(r.loop, -1);
        CHECK_INT(r.ran, turn);
    }
    loop_free(r.loop);
}

struct unpost {
    struct trace *trace;
    struct step *queued;
};

static void unpost_ran(void *cookie) {
    struct unpost *u = cookie;
    note(u->trace, 'u');
    loop__unpost(u->trace->loop, step_run, u->queued);
}

TEST("a post that is taken back does not run, even within its batch") {
    clock_manual clock;
    loop *l = loop_over(&clock);
    struct trace t = {.loop = l};
    struct step a = {&t, 'a'}, b = {&t, 'b'};
    struct unpost u = {&t, &b};
    loop_post(l, step_run, &a);
    loop_post(l, unpost_ran, &u);
    loop_post(l, step_run, &b);
    loop_post(l, step_run, &a);
    loop_turn(l, 0);
    CHECK_STR(t.text, "aua");
    loop_post(l, step_run, &b);
    loop__unpost(l, step_run, &b);
    loop_turn(l, 0);
    CHECK_STR(t.text, "aua");
    loop_free(l);
}

/* -- fds -- */

struct pipes {
    struct trace trace;
    int fd[2][2];
    bool reuse;
};

static void pipe_open(int fd[2]) {
    CHECK_INT(pipe2(fd, O_NONBLOCK | O_CLOEXEC), 0);
}

static void pipe_reused(void *cookie, int fd, unsigned ready) {
    (void)fd;
    (void)ready;
    note(cookie, 'R');
}

/* Whichever is called first closes the other, and may watch a new pipe of its number. */
static void pipe_ready(void *cookie, int fd, unsigned ready) {
    struct pipes *p = cookie;
    CHECK_INT(ready, LOOP_READ);
    int me = fd == p->fd[0][0] ? 0 : 1, other = 1 - me, gone = p->fd[other][0];
    note(&p->trace, 'x');
    loop_unwatch(p->trace.loop, gone);
    close(gone);
    close(p->fd[other][1]);
    if (p->reuse) {
        pipe_open(p->fd[other]); /* The lowest free numbers: the same again. */
        CHECK(p->fd[other][0] == gone || p->fd[other][1] == gone);
        int reused = gone;
        unsigned mask = reused == p->fd[other][0] ? LOOP_READ : LOOP_WRITE;
        /* READ, so that a stale READ would get through but for its generation. */
        CHECK_INT(mask, LOOP_READ);
        CHECK_INT(loop_watch(p->trace.loop, reused, mask, pipe_reused, &p->trace), OK);
    }
    loop_unwatch(p->trace.loop, fd);
}

static void check_unwatch_in_batch(bool reuse) {
    clock_manual clock;
    struct pipes p = {.reuse = reuse};
    p.trace.loop = loop_over(&clock);
    for (int i = 0; i < 2; i++) {
        pipe_open(p.fd[i]);
        CHECK_INT(loop_watch(p.trace.loop, p.fd[i][0], LOOP_READ, pipe_ready, &p), OK);
        CHECK_INT(write(p.fd[i][1], "!", 1), 1);
    }
    loop_turn(p.trace.loop, 1000);
    CHECK_STR(p.trace.text, "x");
    for (int i = 0; i < 2; i++)
        if (reuse) loop_unwatch(p.trace.loop, p.fd[i][0]);
    loop_turn(p.trace.loop, 0);
    CHECK_STR(p.trace.text, "x");
    loop_free(p.trace.loop);
}

TEST("an fd that is unwatched and closed within a batch gets no event of it") {
    check_unwatch_in_batch(false);
}

TEST("an fd whose number is reused within a batch does not inherit an event") {
    check_unwatch_in_batch(true);
}

static void mask_ready(void *cookie, int fd, unsigned ready) {
    struct trace *t = cookie;
    (void)fd;
    note(t, (char)('0' + ready));
}

TEST("interest can be changed, and an fd without interest is silent") {
    clock_manual clock;
    struct trace t = {.loop = loop_over(&clock)};
    int fd[2];
    pipe_open(fd);
    CHECK_INT(loop_watch(t.loop, fd[1], LOOP_WRITE, mask_ready, &t), OK);
    loop_turn(t.loop, 1000);
    loop_turn(t.loop, 1000); /* level triggered */
    CHECK_STR(t.text, "22");
    CHECK_INT(loop_watch(t.loop, fd[1], 0, mask_ready, &t), OK);
    loop_turn(t.loop, 0);
    CHECK_STR(t.text, "22");
    CHECK_INT(loop_watch(t.loop, fd[0], LOOP_READ, mask_ready, &t), OK);
    loop_turn(t.loop, 0);
    CHECK_STR(t.text, "22");
    close(fd[1]); /* A hang-up is something to read: the end. */
    loop_turn(t.loop, 1000);
    CHECK_STR(t.text, "221");
    loop_unwatch(t.loop, fd[0]);
    loop_unwatch(t.loop, fd[0]);
    close(fd[0]);
    loop_free(t.loop);
}

TEST("an fd that cannot be watched is refused") {
    clock_manual clock;
    struct trace t = {.loop = loop_over(&clock)};
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    close(fd);
    CHECK_INT(loop_watch(t.loop, fd, LOOP_READ, mask_ready, &t), ERR_IO);
    loop_turn(t.loop, 0);
    loop_free(t.loop); /* asserts that nothing is watched */
}

/* -- hooks, stop, statistics -- */

struct hooks {
    struct trace trace;
    int again;
};

static bool hook_first(void *cookie) {
    struct hooks *h = cookie;
    note(&h->trace, '1');
    return h->again-- > 0;
}

static bool hook_second(void *cookie) {
    struct hooks *h = cookie;
    note(&h->trace, '2');
    if (h->again < 0) loop_stop(h->trace.loop);
    return false;
}

TEST("hooks run at the end of each turn, in order, and can forbid the sleep") {
    clock_manual clock;
    struct hooks h = {.again = 3};
    h.trace.loop = loop_over(&clock);
    loop_before_sleep(h.trace.loop, hook_first, &h);
    loop_before_sleep(h.trace.loop, hook_second, &h);
    loop_run(h.trace.loop); /* Nothing else would ever wake it. */
    CHECK_STR(h.trace.text, "12121212");
    loop_free(h.trace.loop);
}

static void after_delivery(void *cookie) { note(cookie, 'd'); }
static void letter_timer(void *cookie) { note(cookie, 't'); }
static bool letter_hook(void *cookie) {
    note(cookie, '|');
    return false;
}
static void letter_read(void *cookie, int fd, unsigned ready) {
    char c;
    (void)ready;
    CHECK_INT(read(fd, &c, 1), 1);
    note(cookie, c);
}

TEST("what comes after the delivery runs behind all fds and before timers, in every turn") {
    struct trace t = {.n = 0};
    int fd[2][2];
    CHECK_INT(loop_create(clock_real(), &t.loop), OK);
    loop_after_delivery(t.loop, after_delivery, &t);
    loop_before_sleep(t.loop, letter_hook, &t);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(pipe(fd[i]), 0);
        CHECK_INT(loop_watch(t.loop, fd[i][0], LOOP_READ, letter_read, &t), OK);
        CHECK_INT(write(fd[i][1], "x", 1), 1);
    }
    loop_timer(t.loop, 0, letter_timer, &t);
    loop_turn(t.loop, 0);
    loop_turn(t.loop, 0);
    CHECK_STR(t.text, "xxdt|d|");
    for (int i = 0; i < 2; i++) {
        loop_unwatch(t.loop, fd[i][0]);
        close(fd[i][0]);
        close(fd[i][1]);
    }
    loop_free(t.loop);
}

static uint64_t cpu_us(void) {
    struct timespec t;
    CHECK_INT(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

static void burn(void *cookie) {
    uint64_t end = cpu_us() + *(const uint64_t *)cookie;
    while (cpu_us() < end) continue;
}

TEST("statistics tell long turns from short ones") {
    loop *l = NULL;
    struct loop_stats idle, s;
    uint64_t long_us = 6000;
    CHECK_INT(loop_create(clock_real(), &l), OK);
    loop_turn(l, 0);
    loop_turn(l, 20); /* Sleeping is not work. */
    loop_get_stats(l, &idle);
    CHECK_INT(idle.turns, 2);
    CHECK_INT(idle.turns_over_5ms, 0);
    loop_post(l, burn, &long_us);
    loop_turn(l, 0);
    loop_get_stats(l, &s);
    CHECK_INT(s.turns, 3);
    CHECK_INT(s.turns_over_1ms, idle.turns_over_1ms + 1);
    CHECK_INT(s.turns_over_5ms, 1);
    CHECK(s.turn_cpu_us_max >= long_us);
    loop_reset_stats(l);
    loop_get_stats(l, &s);
    CHECK_INT(s.turns + s.turn_cpu_us_max + s.turns_over_1ms, 0);
    loop_free(l);
}

TEST("time stands still within a turn, and is read anew outside of it") {
    clock_manual clock;
    loop *l = loop_over(&clock);
    CHECK_INT(loop_now_us(l), 5000000);
    CHECK_INT(loop_wall_ms(l), 1700000000000);
    clock_manual_advance(&clock, 2000);
    CHECK_INT(loop_now_us(l), 5002000);
    CHECK_INT(loop_wall_ms(l), 1700000000002);
    CHECK(loop_clock(l) == &clock.base);
    loop_free(l);
}

/* -- another back end -- */

struct scripted { /* reports what the test put down, and moves the clock by its waits */
    struct loop_backend base;
    clock_manual *clock;
    struct loop_ready next;
    int next_count;
    uint32_t generation;
    int waits, wakes;
    bool freed;
};

static int scripted_set(struct loop_backend *b, int fd, unsigned old, unsigned mask,
                        uint32_t generation) {
    struct scripted *s = (struct scripted *)b;
    CHECK_INT(fd, 1000);
    CHECK(old != mask);
    s->generation = generation;
    return OK;
}

static int scripted_wait(struct loop_backend *b, struct loop_ready *out, int max,
                         int64_t wait_us) {
    struct scripted *s = (struct scripted *)b;
    CHECK(max > 0);
    s->waits++;
    int n = s->next_count;
    if (n > 0)
        out[0] = s->next;
    else if (wait_us > 0)
        clock_manual_advance(s->clock, (uint64_t)wait_us);
    s->next_count = 0;
    return n;
}

static void scripted_wake(struct loop_backend *b) {
    ((struct scripted *)b)->wakes++;
}
static void scripted_free(struct loop_backend *b) {
    ((struct scripted *)b)->freed = true;
}

TEST("a loop runs over another back end, in simulated time") {
    clock_manual clock;
    clock_manual_init(&clock, 0, 0);
    struct scripted s = {
        .base = {scripted_set, scripted_wait, scripted_wake, scripted_free},
        .clock = &clock};
    loop *l = loop__create_over(&clock.base, &s.base);
    struct trace t = {.loop = l};
    struct step x = {&t, 'x'};
    loop_timer(l, 3600u * 1000000u, step_run, &x);
    CHECK_INT(loop_watch(l, 1000, LOOP_READ, mask_ready, &t), OK);
    s.next = (struct loop_ready){1000, s.generation, LOOP_READ | LOOP_WRITE};
    s.next_count = 1;
    loop_turn(l, -1);
    CHECK_STR(t.text, "1"); /* no interest in writing */
    s.next.generation--;
    s.next_count = 1;
    loop_turn(l, -1);
    CHECK_STR(t.text, "1"); /* stale */
    loop_turn(l, -1);
    CHECK_STR(t.text, "1x"); /* an hour has passed */
    CHECK_INT(s.waits, 3);
    loop_post(l, step_run, &x);
    CHECK_INT(s.wakes, 0); /* The loop is awake. */
    loop_turn(l, -1);
    CHECK_STR(t.text, "1xx");
    loop_unwatch(l, 1000);
    loop_free(l);
    CHECK(s.freed);
}

struct slow_pipe { /* a reader that takes its time */
    struct trace *trace;
    clock_manual *clock;
    uint64_t takes_us;
    char letter;
    int fd[2];
};

static void slow_read(void *cookie, int fd, unsigned ready) {
    struct slow_pipe *p = cookie;
    char c;
    CHECK(fd == p->fd[0] && (ready & LOOP_READ) != 0);
    CHECK_INT(read(fd, &c, 1), 1);
    note(p->trace, p->letter);
    clock_manual_advance(p->clock, p->takes_us);
}

static bool note_turn(void *cookie) {
    note(cookie, '|');
    return false;
}

TEST("a turn that has been long ends before all fds are served, and the next begins with the others") {
    clock_manual clock;
    loop *l = loop_over(&clock);
    struct trace t = {.loop = l};
    struct slow_pipe p[6];
    loop_before_sleep(l, note_turn, &t);
    for (int i = 0; i < 6; i++) {
        p[i] = (struct slow_pipe){.trace = &t, .clock = &clock, .takes_us = 300, .letter = (char)('a' + i)};
        CHECK_INT(pipe(p[i].fd), 0);
        CHECK_INT(loop_watch(l, p[i].fd[0], LOOP_READ, slow_read, &p[i]), OK);
        /* Each has more than one event: who was served is ready again at once. */
        CHECK_INT(write(p[i].fd[1], "xyz", 3), 3);
    }
    for (int i = 0; i < 3; i++) loop_turn(l, 0);
    CHECK_INT(t.n, 9); /* Two a turn. */
    unsigned seen = 0;
    for (size_t i = 0; i < t.n; i++)
        if (t.text[i] != '|') seen |= 1u << (t.text[i] - 'a');
    CHECK_INT(seen, 63); /* Nobody twice before all were served once. */
    for (int i = 2; i < 9; i += 3) CHECK_INT(t.text[i], '|');
    /* One that is not watched any more is passed over, though it was ready when asked. */
    loop_turn(l, 0);
    size_t before = t.n;
    for (int i = 0; i < 6; i++) loop_unwatch(l, p[i].fd[0]);
    loop_turn(l, 0);
    CHECK_STR(t.text + before, "|");
    for (int i = 0; i < 6; i++) {
        close(p[i].fd[0]);
        close(p[i].fd[1]);
    }
    loop_free(l);
}

struct slow_post {
    struct trace *trace;
    clock_manual *clock;
    uint64_t takes_us;
    char letter;
};

static void slow_post(void *cookie) {
    struct slow_post *p = cookie;
    note(p->trace, p->letter);
    clock_manual_advance(p->clock, p->takes_us);
}

TEST("posts that do not fit into a turn come in the next, in their order, and a long turn leaves them all to it") {
    clock_manual clock;
    loop *l = loop_over(&clock);
    struct trace t = {.loop = l};
    struct slow_post p[6];
    loop_before_sleep(l, note_turn, &t);
    for (int i = 0; i < 6; i++) {
        p[i] = (struct slow_post){&t, &clock, 350, (char)('a' + i)};
        if (i < 5) loop_post(l, slow_post, &p[i]);
    }
    loop_turn(l, 0);
    CHECK_STR(t.text, "ab|");
    loop_post(l, slow_post, &p[5]); /* Behind those that wait. */
    loop_turn(l, -1);               /* It does not sleep over them. */
    CHECK_STR(t.text, "ab|cd|");
    loop_turn(l, -1);
    loop_turn(l, -1);
    CHECK_STR(t.text, "ab|cd|e|f|");
    /* Readers that take half of a turn: the post waits once, and then it is they that wait. */
    struct slow_pipe r[4];
    t.n = 0;
    for (int i = 0; i < 4; i++) {
        r[i] = (struct slow_pipe){.trace = &t, .clock = &clock, .takes_us = 550, .letter = 'r'};
        CHECK_INT(pipe(r[i].fd), 0);
        CHECK_INT(loop_watch(l, r[i].fd[0], LOOP_READ, slow_read, &r[i]), OK);
        CHECK_INT(write(r[i].fd[1], "xyz", 3), 3);
    }
    loop_post(l, slow_post, &p[0]);
    loop_post(l, slow_post, &p[1]);
    for (int i = 0; i < 3; i++) loop_turn(l, 0);
    CHECK_STR(t.text, "r|ra|r|");
    loop_turn(l, 0);
    CHECK_STR(t.text, "r|ra|r|rb|");
    for (int i = 0; i < 4; i++) {
        loop_unwatch(l, r[i].fd[0]);
        close(r[i].fd[0]);
        close(r[i].fd[1]);
    }
    loop_free(l);
}
