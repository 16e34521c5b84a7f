/* vector_kernels_bench.c -- the inner loops of the vector index: nanoseconds of CPU a vector, wide and plain.
 *
 *   build/tests/bench/vector_kernels_bench
 *
 * Each figure is the least of several rounds; the kinds take turns, so that other work on the machine meets both.
 * What a kernel reads fits the second cache, but for "far", where blocks come from memory. */
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "base/rnd.h"
#include "modules/vector/kernels.h"
#include "modules/vector/lanes_kernels.h"
#include "modules/vector/rotate.h"
#include "test.h"

#define ROUNDS 15
#define ROUND_NS 2000000u /* A round of one kind: about as long as this. */

struct input { /* of one shape; not all kernels want all of it */
    struct code_shape shape;
    float *o, *c, *room;
    uint8_t *numbers, *code, *blocks, *tables;
    size_t count; /* of blocks */
    struct code_query query;
    float sink;
    size_t at;
};
struct kind {
    const struct lanes_kernels *lanes;
    const struct kernels *kernels;
};
/* Does some work once; returns how many vectors that was. */
typedef size_t step_fn(struct input *in, const struct kind *kind);

static size_t step_scan(struct input *in, const struct kind *kind) {
    float est[CODE_ROWS], err[CODE_ROWS];
    const uint8_t *block = in->blocks + in->at * block_bytes(&in->shape);
    in->at = (in->at + 1) % in->count;
    in->sink += (float)kind->lanes->scan(&in->query, block, 1, 1.9f, 0, est, err) + est[0];
    return CODE_ROWS;
}
static size_t step_encode(struct input *in, const struct kind *kind) {
    double facts[5];
    kind->lanes->encode(&in->shape, in->o, in->c, in->room, in->numbers, facts);
    in->sink += (float)facts[2];
    return 1;
}
/* All that an insertion does to a block. Its kind is the best one always. */
static size_t step_put(struct input *in, const struct kind *kind) {
    struct code_factors f;
    (void)kind;
    code_encode(&in->shape, in->o, in->c, in->code, &f);
    block_put(&in->shape, in->blocks, (unsigned)(in->at++ % CODE_ROWS), in->code, &f);
    return 1;
}
static size_t step_rotate(struct input *in, const struct kind *kind) {
    uint32_t k = 64;
    while (2 * k <= in->shape.dim) k *= 2;
    memcpy(in->room, in->o, in->shape.dim * sizeof(float));
    kind->lanes->rotate(7, in->room, in->shape.dim, k, 0.03125f);
    in->sink += in->room[1];
    return 1;
}
static size_t step_tables(struct input *in, const struct kind *kind) {
    float step, least;
    kind->lanes->tables(in->o, in->shape.dim, in->shape.bits, in->tables, &step, &least);
    in->sink += least;
    return 1;
}
static size_t step_half_l2(struct input *in, const struct kind *kind) {
    in->at = (in->at + 1) % 32;
    in->sink += kind->lanes->half_l2(in->o, in->blocks + in->at * 2 * in->shape.dim, in->shape.dim);
    return 1;
}
static size_t step_dot_i8(struct input *in, const struct kind *kind) {
    in->at = (in->at + 1) % 32;
    in->sink += (float)kind->kernels->dot_i8(in->numbers, in->blocks + in->at * in->shape.dim, in->shape.dim);
    return 1;
}

static uint64_t cpu_ns(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static double round_ns(struct input *in, const struct kind *kind, step_fn *step) {
    uint64_t start = cpu_ns(), now = start;
    size_t n = 0;
    while (now - start < ROUND_NS) {
        for (int i = 0; i < 64; i++) n += step(in, kind);
        now = cpu_ns();
    }
    return (double)(now - start) / (double)n;
}

static void report(const char *what, struct input *in, step_fn *step) {
    const struct kind kinds[2] = {{lanes_best(), kernels_best()}, {&lanes_plain, &kernels_plain}};
    double least[2] = {1e30, 1e30};
    for (int i = 0; i < ROUNDS; i++) {
        for (int k = 0; k < 2; k++) {
            double ns = round_ns(in, &kinds[k], step);
            least[k] = ns < least[k] ? ns : least[k];
        }
    }
    printf("# %-10s %5u x %u %10.1f %10.1f %7.2f\n", what, in->shape.dim, in->shape.bits, least[0], least[1],
           least[1] / least[0]);
    if (in->sink == 1.5f) printf("#\n"); /* The sums are used. */
}

static void input_make(struct input *in, uint32_t dim, uint8_t bits, size_t bytes) {
    rnd r;
    rnd_seed(&r, dim);
    memset(in, 0, sizeof(*in));
    in->shape = (struct code_shape){.dim = dim, .bits = bits};
    size_t groups = code_groups(&in->shape);
    in->count = bytes / block_bytes(&in->shape) + 1;
    /* Halves and bytes are read from the blocks as well: 32 vectors of each. */
    in->blocks = mem_calloc(1, in->count * block_bytes(&in->shape) + 64 * (size_t)dim);
    in->o = mem_alloc(2 * dim * sizeof(float));
    in->c = in->o + dim;
    for (uint32_t i = 0; i < 2 * dim; i++) in->o[i] = (float)(rnd_unit(&r) + rnd_unit(&r) - 1);
    in->room = mem_alloc((groups * 16 + dim) * sizeof(float));
    in->numbers = mem_calloc(1, dim);
    in->code = mem_alloc(dim);
    in->tables = aligned_alloc(32, groups * 16);
    for (unsigned i = 0; i < CODE_ROWS; i++) (void)step_put(in, NULL);
    for (size_t i = 1; i < in->count; i++)
        memcpy(in->blocks + i * block_bytes(&in->shape), in->blocks, block_bytes(&in->shape));
    code_query_init(&in->query, &in->shape, in->o, in->tables);
}
static void input_free(struct input *in) {
    mem_free(in->blocks);
    mem_free(in->o);
    mem_free(in->room);
    mem_free(in->numbers);
    mem_free(in->code);
    free(in->tables);
}

static void shape(uint32_t dim, uint8_t bits) {
    struct input in;
    input_make(&in, dim, bits, 100000);
    report("scan", &in, step_scan);
    report("encode", &in, step_encode);
    report("tables", &in, step_tables);
    report("put", &in, step_put);
    if (bits == 1) {
        report("rotate", &in, step_rotate);
        for (uint32_t i = 0; i < 32; i++) half_from_floats(in.o, dim, in.blocks + i * 2 * dim);
        report("half_l2", &in, step_half_l2);
        report("dot_i8", &in, step_dot_i8);
    }
    input_free(&in);
    input_make(&in, dim, bits, 100000000);
    report("scan, far", &in, step_scan);
    input_free(&in);
}

TEST_LONG("vector kernels: nanoseconds a vector", 600) {
    const uint32_t dims[] = {112, 128, 768, 1024, 1536};
    printf("# %-10s  dims bits %10s %10s %7s\n", "kernel", kernels_best()->name, "plain", "ratio");
    for (int i = 0; i < 5; i++)
        for (uint8_t bits = 1; bits <= 4; bits *= 2) shape(dims[i], bits);
}
