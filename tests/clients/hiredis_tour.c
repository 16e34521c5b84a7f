/* hiredis_tour.c -- the tour with hiredis, the library under redis-cli and many clients in C.
 *
 * Arguments: port, protocol. Prints TAP; the line KILL asks the harness to kill the server and to
 * start it again, and it is read from standard input that this has happened. A hiredis before 1.0
 * speaks RESP2 alone: asked for 3, that is a failure here, and for run.sh to know. */
#include <hiredis/hiredis.h>
#include <math.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DIMENSIONS 100
#define ARGS_MAX 128
#define PIPELINE 500

#ifdef REDIS_REPLY_MAP
#define IS_LIST(r) ((r)->type == REDIS_REPLY_ARRAY || (r)->type == REDIS_REPLY_MAP)
#define HAS_RESP3 true
#else
#define IS_LIST(r) ((r)->type == REDIS_REPLY_ARRAY)
#define HAS_RESP3 false
#endif

static void check(unsigned *count, bool good, const char *sentence) {
    printf("%sok %u - %s\n", good ? "" : "not ", ++*count, sentence);
    fflush(stdout);
}

static redisReply *must(redisContext *c, void *reply) {
    if (reply != NULL) return reply;
    printf("not ok - no reply: %s\n", c->errstr);
    exit(1);
}

static redisReply *ask(redisContext *c, const char *format, ...) {
    va_list list;
    va_start(list, format);
    redisReply *r = must(c, redisvCommand(c, format, list));
    va_end(list);
    return r;
}

/* What stands in a reply, in one line: items between brackets, null as "nil". */
static void write_reply(const redisReply *r, char *out, size_t size) {
    size_t n = 0;
    if (r->type == REDIS_REPLY_INTEGER) {
        snprintf(out, size, "%lld", r->integer);
    } else if (r->type == REDIS_REPLY_NIL) {
        snprintf(out, size, "nil");
    } else if (IS_LIST(r)) {
        n += (size_t)snprintf(out, size, "[");
        for (size_t i = 0; i < r->elements && n + 2 < size; i++) {
            if (i > 0) n += (size_t)snprintf(out + n, size - n, " ");
            write_reply(r->element[i], out + n, size - n);
            n += strlen(out + n);
        }
        if (n + 1 < size) snprintf(out + n, size - n, "]");
    } else {
        snprintf(out, size, "%s", r->str);
    }
}

/* The reply of the command is `want`, in the form of write_reply(). */
static void expect(unsigned *count, redisContext *c, const char *sentence, const char *want,
                   const char *format, ...) {
    char got[4096];
    va_list list;
    va_start(list, format);
    redisReply *r = must(c, redisvCommand(c, format, list));
    va_end(list);
    write_reply(r, got, sizeof(got));
    freeReplyObject(r);
    check(count, strcmp(got, want) == 0, sentence);
    if (strcmp(got, want) != 0) printf("got %s, want %s\n", got, want);
}

/* VADD words VALUES 100 ... name [SETATTR {"len":n}] */
static void add_word(unsigned *count, redisContext *c, const char *name, double seed) {
    const char *argv[ARGS_MAX];
    char numbers[DIMENSIONS][24], attribute[32];
    int argc = 0;
    argv[argc++] = "VADD";
    argv[argc++] = "words";
    argv[argc++] = "VALUES";
    argv[argc++] = "100";
    for (int i = 0; i < DIMENSIONS; i++) {
        snprintf(numbers[i], sizeof(numbers[i]), "%.6f", sin(seed * (i + 1)));
        argv[argc++] = numbers[i];
    }
    argv[argc++] = name;
    argv[argc++] = "SETATTR";
    snprintf(attribute, sizeof(attribute), "{\"len\":%zu}", strlen(name));
    argv[argc++] = attribute;
    redisReply *r = must(c, redisCommandArgv(c, argc, argv, NULL));
    check(count, r->type == REDIS_REPLY_INTEGER && r->integer == 1, name);
    freeReplyObject(r);
}

static void fill(unsigned *n, redisContext *c) {
    expect(n, c, "SET answers OK", "OK", "SET greeting hello");
    expect(n, c, "GET reads it", "hello", "GET greeting");
    expect(n, c, "HSET counts new fields", "2", "HSET user:1 name Ada lang C");
    expect(n, c, "HMGET", "[Ada C nil]", "HMGET user:1 name lang none");
    add_word(n, c, "king", 1.0);
    add_word(n, c, "queen", 1.01);
    add_word(n, c, "prince", 1.02);
    add_word(n, c, "castle", 1.5);
    add_word(n, c, "tea", 2.5);
    expect(n, c, "VSIM ranks", "[king queen prince]", "VSIM words ELE king COUNT 3");
    expect(n, c, "VSEARCH filters", "[king queen]", "VSEARCH words K 2 ELE king FILTER %s",
           ".len < 6");
    redisReply *r = ask(c, "VSIM words ELE king COUNT 5 WITHSCORES");
    check(n, IS_LIST(r) && r->elements == 10, "VSIM WITHSCORES has five pairs");
    freeReplyObject(r);
    r = ask(c, "FS.WRITE agent1 /src/main.c %s PARENTS", "int main(){}");
    check(n, IS_LIST(r) && r->elements == 2 && r->element[1]->integer == 12, "FS.WRITE");
    freeReplyObject(r);
    expect(n, c, "FS.READ", "int main(){}", "FS.READ agent1 /src/main.c");
    expect(n, c, "FS.LS", "[0 [main.c]]", "FS.LS agent1 /src");
    r = ask(c, "SNAPSHOT CREATE before");
    check(n, IS_LIST(r) && r->elements >= 8 && strcmp(r->element[1]->str, "before") == 0,
          "SNAPSHOT CREATE");
    freeReplyObject(r);
}

static void change(unsigned *n, redisContext *c) {
    expect(n, c, "SET again", "OK", "SET greeting bye");
    expect(n, c, "VREM", "1", "VREM words queen");
    redisReply *r = ask(c, "FS.WRITE agent1 /src/main.c changed");
    check(n, IS_LIST(r) && r->elements == 2, "FS.WRITE again");
    freeReplyObject(r);
    expect(n, c, "MULTI", "OK", "MULTI");
    expect(n, c, "a queued command", "QUEUED", "HSET user:1 lang Rust");
    expect(n, c, "another", "QUEUED", "SET raw %b", "\0\xff\r\n", (size_t)4);
    expect(n, c, "EXEC", "[0 OK]", "EXEC");
}

static void expect_state(unsigned *n, redisContext *c, const char *when, bool before) {
    printf("%s:\n", when);
    expect(n, c, "the key", before ? "hello" : "bye", "GET greeting");
    expect(n, c, "the hash", before ? "C" : "Rust", "HGET user:1 lang");
    expect(n, c, "bytes", before ? "0" : "4", "STRLEN raw");
    expect(n, c, "the vectors", before ? "[king queen]" : "[king prince]",
           "VSIM words ELE king COUNT 2");
    expect(n, c, "the file", before ? "int main(){}" : "changed", "FS.READ agent1 /src/main.c");
}

static void branches(unsigned *n, redisContext *c) {
    expect(n, c, "SNAPSHOT FORK", "OK", "SNAPSHOT FORK before branch");
    expect(n, c, "SELECT of a fork", "OK", "SELECT branch");
    expect_state(n, c, "in the fork", true);
    expect(n, c, "the fork can be written", "OK", "SET greeting branch");
    expect(n, c, "SELECT 0", "OK", "SELECT 0");
    expect_state(n, c, "beside the fork", false);
    redisReply *r = ask(c, "SNAPSHOT RESTORE before");
    check(n, r->type == REDIS_REPLY_STRING && strncmp(r->str, "before-", 7) == 0,
          "SNAPSHOT RESTORE names a safety snapshot");
    freeReplyObject(r);
    expect_state(n, c, "after the restore", true);
}

static void pipeline(unsigned *n, redisContext *c) {
    unsigned good = 0;
    for (int i = 0; i < PIPELINE; i++) redisAppendCommand(c, "INCR counter");
    for (long long i = 1; i <= PIPELINE; i++) {
        void *reply = NULL;
        if (redisGetReply(c, &reply) != REDIS_OK) break;
        redisReply *r = must(c, reply);
        good += r->type == REDIS_REPLY_INTEGER && r->integer == i;
        freeReplyObject(r);
    }
    check(n, good == PIPELINE, "a pipeline is answered in order");
    redisReply *r = ask(c, "HGET greeting x");
    check(n, r->type == REDIS_REPLY_ERROR && strncmp(r->str, "WRONGTYPE", 9) == 0,
          "an error is an error reply");
    freeReplyObject(r);
    expect(n, c, "CLIENT ACK", "OK", "CLIENT ACK memory");
}

int main(int argc, char **argv) {
    unsigned n = 0;
    char line[64];
    if (argc != 3) return 2;
    redisContext *c = redisConnect("127.0.0.1", atoi(argv[1]));
    if (c == NULL || c->err) return 1;
    if (strcmp(argv[2], "3") == 0) {
        check(&n, HAS_RESP3, "this hiredis speaks RESP3");
        if (!HAS_RESP3) return 1;
        freeReplyObject(ask(c, "HELLO 3"));
    }
    fill(&n, c);
    change(&n, c);
    expect_state(&n, c, "before the kill", false);
    printf("KILL\n");
    fflush(stdout);
    if (fgets(line, sizeof(line), stdin) == NULL) return 1;
    check(&n, redisReconnect(c) == REDIS_OK, "reconnected");
    expect_state(&n, c, "after kill -9", false);
    branches(&n, c);
    pipeline(&n, c);
    redisFree(c);
    printf("1..%u\n", n);
    return 0;
}
