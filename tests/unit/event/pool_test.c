/* pool_test.c -- jobs: worked off the loop, done on it, exactly once. */
#include "event/pool.h"

#include <pthread.h>
#include <unistd.h>

#include "test.h"

#define JOBS 5000

struct sum_job {
    job job; /* first: a job is its sum_job */
    pool *pool;
    struct sums *sums;
    uint64_t from, result;
    int worked, done;
    bool off_loop;
};

struct sums {
    pthread_t loop_thread;
    size_t done;
    struct sum_job *again; /* submitted from done() */
    struct sum_job jobs[JOBS];
};

static void sum_work(job *j) {
    struct sum_job *s = (struct sum_job *)j;
    for (uint64_t i = 0; i < 1000; i++) s->result += s->from + i;
    s->off_loop = !pthread_equal(pthread_self(), s->sums->loop_thread);
    s->worked++;
}

static void sum_done(job *j) {
    struct sum_job *s = (struct sum_job *)j;
    CHECK(pthread_equal(pthread_self(), s->sums->loop_thread));
    CHECK_INT(s->worked, 1);
    CHECK_INT(s->result, s->from * 1000 + 499500);
    s->done++;
    s->sums->done++;
    if (s->sums->again != NULL) {
        struct sum_job *again = s->sums->again;
        s->sums->again = NULL;
        pool_submit(s->pool, &again->job);
        CHECK_INT(again->done, 0);
    }
}

static struct sums sums;

static void sums_init(pool *p) {
    memset(&sums, 0, sizeof(sums));
    sums.loop_thread = pthread_self();
    for (size_t i = 0; i < JOBS; i++) {
        sums.jobs[i].job = (job){.work = sum_work, .done = sum_done};
        sums.jobs[i].pool = p;
        sums.jobs[i].sums = &sums;
        sums.jobs[i].from = i;
    }
}

static void check_each_once(size_t count, bool off_loop) {
    for (size_t i = 0; i < count; i++) {
        CHECK_INT(sums.jobs[i].worked, 1);
        CHECK_INT(sums.jobs[i].done, 1);
        CHECK_INT(sums.jobs[i].off_loop, off_loop);
    }
}

TEST("each of 5,000 jobs is worked once by a thread and done once on the loop") {
    loop *l = NULL;
    pool *p = NULL;
    CHECK_INT(loop_create(clock_real(), &l), OK);
    CHECK_INT(pool_create(l, 3, &p), OK);
    sums_init(p);
    for (size_t i = 0; i < JOBS; i++) pool_submit(p, &sums.jobs[i].job);
    CHECK_INT(sums.done, 0); /* never inside pool_submit() */
    CHECK_INT(pool_pending(p), JOBS);
    while (pool_pending(p) > 0) loop_turn(l, -1);
    CHECK_INT(sums.done, JOBS);
    pool_free(p);
    loop_turn(l, 0);
    CHECK_INT(sums.done, JOBS);
    check_each_once(JOBS, true);
    loop_free(l);
}

TEST("pool_free() delivers what was submitted, and what that submits") {
    loop *l = NULL;
    pool *p = NULL;
    CHECK_INT(loop_create(clock_real(), &l), OK);
    CHECK_INT(pool_create(l, 2, &p), OK);
    sums_init(p);
    for (size_t i = 0; i < 500; i++) pool_submit(p, &sums.jobs[i].job);
    sums.again = &sums.jobs[500];
    pool_free(p); /* Without a turn of the loop. */
    CHECK_INT(sums.done, 501);
    loop_turn(l, 0); /* A delivery that was posted must not find the pool. */
    check_each_once(501, true);
    loop_free(l);
}

struct order {
    job job;
    char *trace;
    char letter;
};

static void order_add(job *j, char c) {
    struct order *o = (struct order *)j;
    size_t n = strlen(o->trace);
    o->trace[n] = c;
    o->trace[n + 1] = '\0';
}
static void order_work(job *j) {
    order_add(j, ((struct order *)j)->letter);
}
static void order_done(job *j) {
    order_add(j, '.');
}

TEST("without threads jobs run on the loop, in a later turn, in order") {
    clock_manual clock;
    loop *l = NULL;
    pool *p = NULL;
    char trace[16] = "";
    struct order jobs[3];
    clock_manual_init(&clock, 0, 0);
    CHECK_INT(loop_create(&clock.base, &l), OK);
    CHECK_INT(pool_create(l, 0, &p), OK);
    for (int i = 0; i < 3; i++) {
        jobs[i] = (struct order){
            {.work = order_work, .done = order_done}, trace, (char)('a' + i)};
        pool_submit(p, &jobs[i].job);
    }
    CHECK_STR(trace, "");
    CHECK_INT(pool_pending(p), 3);
    loop_turn(l, -1);
    CHECK_STR(trace, "a.b.c.");
    CHECK_INT(pool_pending(p), 0);
    pool_submit(p, &jobs[1].job);
    pool_free(p);
    CHECK_STR(trace, "a.b.c.b.");
    loop_turn(l, 0);
    CHECK_STR(trace, "a.b.c.b.");
    loop_free(l);
}

TEST("without threads a job submitted by done() waits for the next turn") {
    loop *l = NULL;
    pool *p = NULL;
    CHECK_INT(loop_create(clock_real(), &l), OK);
    CHECK_INT(pool_create(l, 0, &p), OK);
    sums_init(p);
    sums.again = &sums.jobs[1];
    pool_submit(p, &sums.jobs[0].job);
    loop_turn(l, -1);
    CHECK_INT(sums.done, 1);
    loop_turn(l, -1);
    CHECK_INT(sums.done, 2);
    check_each_once(2, false);
    pool_free(p);
    loop_free(l);
}

TEST("an idle pool ends at once") {
    loop *l = NULL;
    pool *p = NULL;
    CHECK_INT(loop_create(clock_real(), &l), OK);
    CHECK_INT(pool_create(l, 4, &p), OK);
    CHECK_INT(pool_pending(p), 0);
    pool_free(p);
    pool_free(NULL);
    loop_free(l);
}

struct slow_job {
    job job; /* first */
    clock_manual *clock;
    size_t *done, number;
};

static void slow_work(job *j) { (void)j; }

static void slow_done(job *j) {
    struct slow_job *s = (struct slow_job *)j;
    CHECK_INT(s->number, *s->done); /* in the order in which they were worked */
    ++*s->done;
    clock_manual_advance(s->clock, 100);
}

static size_t slow_jobs_a_turn(int threads) {
    clock_manual clock;
    clock_manual_init(&clock, 1700000000000000u, 5000000);
    loop *l = NULL;
    pool *p = NULL;
    CHECK_INT(loop_create(&clock.base, &l), OK);
    CHECK_INT(pool_create(l, threads, &p), OK);
    struct slow_job jobs[50];
    size_t done = 0, most = 0;
    for (size_t i = 0; i < 50; i++) {
        jobs[i] = (struct slow_job){
            .job = {.work = slow_work, .done = slow_done}, .clock = &clock, .done = &done, .number = i};
        pool_submit(p, &jobs[i].job);
    }
    while (done < 40) {
        size_t before = done;
        loop_turn(l, -1);
        if (done - before > most) most = done - before;
    }
    pool_free(p); /* It delivers what is left. */
    CHECK_INT(done, 50);
    loop_free(l);
    return most;
}

TEST("a turn runs done() of finished jobs for half a millisecond, and goes on in the next") {
    CHECK_INT(slow_jobs_a_turn(0), 5);
    CHECK(slow_jobs_a_turn(1) <= 5);
}
