/* keyspecs.h -- the shapes of key specifications that most commands share. */
#ifndef COVE_COMMANDS_KEYSPECS_H
#define COVE_COMMANDS_KEYSPECS_H

#include "exec/command.h"

#define KEY_AT(f, at, until, by)                                                             \
    {.flags = (f), .begin = KEYS_INDEX, .pos = (at), .find = KEYS_RANGE, .last = (until), .step = (by)}
#define ONE_KEY(f) {KEY_AT(f, 1, 0, 1)}
#define SUB_KEY(f) {KEY_AT(f, 2, 0, 1)}
#define ALL_KEYS(f) {KEY_AT(f, 1, -1, 1)}
#define EVERY_SECOND(f) {KEY_AT(f, 1, -1, 2)}
#define TWO_KEYS(f, g) {KEY_AT(f, 1, 0, 1), KEY_AT(g, 2, 0, 1)}

#endif
