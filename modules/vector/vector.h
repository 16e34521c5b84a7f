/* vector.h -- vector sets: Redis 8's V* commands, and VSEARCH. */
#ifndef COVE_VECTOR_VECTOR_H
#define COVE_VECTOR_VECTOR_H

#include "module.h"

extern const module vector_module;

#endif
