/* ivf_job.h -- the long work behind the index, on copies: for workers.
 *
 * A job is filled on the loop with vectors as they are stored, worked on anywhere (it sees nothing but itself),
 * and leaves the arguments of an effect. Deterministic. */
#ifndef COVE_VECTOR_IVF_JOB_H
#define COVE_VECTOR_IVF_JOB_H

#include "modules/vector/ivf.h"

struct ivf_neighbour {
    uint32_t cluster, generation;
};

struct ivf_job {
    struct vset_shape shape;
    struct code_shape code;
    uint64_t seed;
    float scale;        /* of the frame (struct ivf_frame); of a new index what is found */
    buf mean;
    /* Rows. */
    buf vectors;        /* quant_bytes() each */
    struct ivf_job_row {
        uint32_t slot;
        float norm, range;
        bool zero;
    } *rows;
    size_t n, cap;
    /* Of a split; of a node: */
    uint32_t cluster, generation, removals, seen; /* the node, and the index's generation */
    buf slots;          /* u32 each: of its rows, the first n of which are there */
    buf centroids;      /* of the neighbours: half floats; the node's page */
    struct ivf_neighbour *neighbours;
    size_t neighbours_n;
    /* Of a new index: how many elements the rows stand for. */
    uint64_t of;
    /* What comes out. */
    buf args[3];
    unsigned argc;
};
void ivf_job_init(struct ivf_job *j, const struct vset_shape *s, const struct code_shape *c, uint64_t seed);
void ivf_job_deinit(struct ivf_job *j);
/* Which rows a cluster has that is to be split, and its neighbours' centroids: into a job that has just been made.
 * ERR_COLD, having asked for all that it knew to need: begin anew with another job. ERR_CORRUPT: also when it is empty
 * and alone. */
int ivf_job_gather(struct ivf_job *j, const struct value *v, uint32_t cluster);
/* Then their vectors, `most` of them at a time: ERR_AGAIN. ERR_COLD, having asked for some. Both: call again, with this
 * job; other commands may have come between. ERR_NOTFOUND: a row has gone since; the job is of no use. ERR_CORRUPT. */
int ivf_job_gather_rows(struct ivf_job *j, const struct value *v, size_t most);
/* The page of a cluster's node, which is to become two, into a job that has just been made; ERR_NOTFOUND: it has not too
 * many clusters. ERR_COLD, ERR_CORRUPT. */
int ivf_job_gather_node(struct ivf_job *j, const struct value *v, uint32_t cluster);
bool ivf_job_node_fits(const struct ivf_job *j, const struct value *v, int *rc); /* as ivf_job_fits() */
/* Is what was gathered still so, for the effect to be made? *rc: ERR_COLD, ERR_CORRUPT. */
bool ivf_job_fits(const struct ivf_job *j, const struct value *v, int *rc);
void ivf_job_add(struct ivf_job *j, uint32_t slot, const struct point *p); /* copies */

/* Args of VECTOR_INDEX: clusters for `of` elements that are distributed as the rows are. */
void ivf_job_build(struct ivf_job *j);
/* Args of VECTOR_SPLIT: the cluster becomes as many as it has rows for; rows that a neighbour is nearer to go
 * there; one of too few rows, that has neighbours, goes away. */
void ivf_job_split(struct ivf_job *j);

/* Args of VECTOR_NODE. */
void ivf_job_node(struct ivf_job *j);

/* Bits for a dimension. */
uint8_t ivf_bits(uint32_t dim);

#endif
