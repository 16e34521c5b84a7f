/* files.h -- the module of volumes: FS.* commands over trees of files, one tree a key. */
#ifndef COVE_MODULES_FILES_FILES_H
#define COVE_MODULES_FILES_FILES_H

#include "module.h"

extern const module files_module;

#endif
