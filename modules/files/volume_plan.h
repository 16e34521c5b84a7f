/* volume_plan.h -- the plans that the operations of a volume are made of (volume.c). */
#ifndef COVE_MODULES_FILES_VOLUME_PLAN_H
#define COVE_MODULES_FILES_VOLUME_PLAN_H

#include "modules/files/edits.h"

/* Content. They set f->size; the caller adds the inode. Data is borrowed until the
 * commit. */
int plan_write(struct edits *e, struct inode *f, uint64_t offset, slice data);
int plan_replace(struct edits *e, struct inode *f, slice data);
int plan_resize(struct edits *e, struct inode *f, uint64_t size);
/* All content goes; the size is as it was. */
int plan_drop(struct edits *e, const struct inode *f);
/* to, whose content has gone, gets that of from: chunks are shared. */
int plan_clone(struct edits *e, const struct inode *from, struct inode *to);

#endif
