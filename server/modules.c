/* modules.c -- the modules of this build. */
#include "module.h"

extern const module vector_module, files_module, snapshot_module;

const module *const cove_modules[] = {&vector_module, &files_module, &snapshot_module, NULL};
