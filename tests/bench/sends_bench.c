/* sends_bench.c -- short replies to many connections over loopback TCP: the CPU time of a send in one call of the kernel
 * for all of them (conn_write_many() with io_uring) beside one call each, in turns.
 *
 *   build/tests/bench/sends_bench
 *
 * The kernel receives for the peer within the send: most of what is measured is that, and the same in both. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "event/conn.h"
#include "test.h"

#define CONNECTIONS 50
#define ROUNDS 4000 /* of one sample */
#define SAMPLES 15

static uint64_t cpu_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int by_size(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void pair(loop *l, conn **near, int *far) {
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof(a);
    int listening = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    CHECK_INT(bind(listening, (struct sockaddr *)&a, n), 0);
    CHECK_INT(listen(listening, 1), 0);
    CHECK_INT(getsockname(listening, (struct sockaddr *)&a, &n), 0);
    *far = socket(AF_INET, SOCK_STREAM, 0);
    CHECK_INT(connect(*far, (struct sockaddr *)&a, n), 0);
    int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
    CHECK(fd >= 0);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    (void)close(listening);
    *near = conn_from_fd(l, fd, false);
}

/* Nanoseconds of a send. */
static double sample(conn *const *near, const int *far, bool together) {
    uint8_t reply[5] = "+OK\r\n", got[sizeof(reply)];
    uint64_t spent = 0;
    for (int r = 0; r < ROUNDS; r++) {
        struct conn_write w[CONNECTIONS];
        for (int i = 0; i < CONNECTIONS; i++) w[i] = (struct conn_write){.c = near[i], .part = {reply, sizeof(reply)}};
        uint64_t began = cpu_ns();
        if (together) conn_write_many(w, CONNECTIONS);
        for (int i = 0; i < CONNECTIONS && !together; i++) w[i].result = near[i]->ops->writev(near[i], &w[i].part, 1);
        spent += cpu_ns() - began;
        for (int i = 0; i < CONNECTIONS; i++) {
            CHECK_INT(w[i].result, (long)sizeof(reply));
            CHECK_INT(recv(far[i], got, sizeof(got), MSG_WAITALL), (long)sizeof(got));
        }
    }
    return (double)spent / ROUNDS / CONNECTIONS;
}

TEST_LONG("sends: nanoseconds of one, together and alone", 600) {
    loop *l;
    conn *near[CONNECTIONS];
    int far[CONNECTIONS];
    double took[2][SAMPLES], ratio[SAMPLES];
    CHECK_INT(loop_create(clock_real(), &l), OK);
    CHECK(loop_sends_together(l)); /* Else there is nothing to measure here. */
    for (int i = 0; i < CONNECTIONS; i++) pair(l, &near[i], &far[i]);
    for (int s = 0; s < SAMPLES; s++) {
        for (int together = 0; together < 2; together++) took[together][s] = sample(near, far, together != 0);
        ratio[s] = took[1][s] / took[0][s];
    }
    for (int i = 0; i < CONNECTIONS; i++) {
        near[i]->ops->close(near[i]);
        (void)close(far[i]);
    }
    loop_free(l);
    for (int k = 0; k < 2; k++) qsort(took[k], SAMPLES, sizeof(double), by_size);
    qsort(ratio, SAMPLES, sizeof(double), by_size);
    printf("# alone %.0f ns, together %.0f ns, ratio %.2f (medians of %d)\n", took[0][SAMPLES / 2], took[1][SAMPLES / 2],
           ratio[SAMPLES / 2], SAMPLES);
}
