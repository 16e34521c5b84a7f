/* log_fence_test.c -- the rules of the log in spin: they hold, and each of them is needed. */
#include <stdlib.h>
#include <sys/wait.h>

#include "test.h"

/* The exit status of log_fence.sh: 0 no error, 1 an error, 2 could not be checked. */
static int model(const char *switches) {
    char command[256];
    snprintf(command, sizeof(command), "tests/model/log_fence.sh %s", switches);
    int status = system(command);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}

TEST_LONG("two owners with a window of two lose nothing and undo nothing, in all states", 600) {
    CHECK_INT(model("-DOWNERS=2"), 0);
}
TEST_LONG("three owners with a window of one lose nothing and undo nothing, in all states", 900) {
    CHECK_INT(model("-DOWNERS=3 -DW=1 -DSLOTS=5 -DSENDS=1"), 0);
}
TEST_LONG("L2: other bytes in a retry would lose", 600) {
    CHECK_INT(model("-DNEW_BYTES"), 1);
}
TEST_LONG("L3: an acknowledgement out of order would lose", 600) {
    CHECK_INT(model("-DACK_ALONE"), 1);
}
TEST_LONG("L4: without filling the window what was undone would come back", 600) {
    CHECK_INT(model("-DNO_FILL"), 1);
}
TEST_LONG("L4: without validating after the fence a slow opener would lose", 600) {
    CHECK_INT(model("-DNO_VALIDATE -DOWNERS=3 -DW=1 -DSLOTS=5"), 1);
}
TEST_LONG("L5: replaying segments of ended epochs would undo", 600) {
    CHECK_INT(model("-DNO_EPOCH"), 1);
}
TEST_LONG("L6: deleting fences would lose", 600) {
    CHECK_INT(model("-DGC_FENCES"), 1);
}
TEST_LONG("L7: a manifest written without a condition would lose", 600) {
    CHECK_INT(model("-DNO_CAS"), 1);
}
TEST_LONG("L12: a checkpoint of what is not durable would lose", 600) {
    CHECK_INT(model("-DEARLY_TRIM"), 1);
}
