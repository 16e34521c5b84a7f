/* snapshot.h -- the SNAPSHOT commands: instant snapshots, forks and restore over all databases. */
#ifndef COVE_MODULES_SNAPSHOT_H
#define COVE_MODULES_SNAPSHOT_H

#include "module.h"

extern const module snapshot_module;

#endif
