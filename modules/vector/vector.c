/* vector.c -- the module's door: its table of commands and its type. */
#include "modules/vector/vector.h"

#include "modules/vector/commands.h"

#define KEY(f) {{.flags = (f) | KEY_ACCESS, .begin = KEYS_INDEX, .pos = 1, .find = KEYS_RANGE, .step = 1}}
#define WRITES KEY(KEY_RW | KEY_UPDATE)
#define READS KEY(KEY_RO)
#define READ (CMD_READONLY | CMD_MODULE)

/* Names as they are shown; they are found in any case. */
static const struct command rows[] = {
    {.name = "VADD", .fn = cmd_vadd, .arity = -5, .flags = CMD_WRITE | CMD_DENYOOM | CMD_MODULE,
     .group = GROUP_MODULE, .keys = WRITES, .since = "8.0.0",
     .summary = "Add one or more elements to a vector set, or update its vector if it already exists",
     .complexity = "O(D) where D is the number of dimensions."},
    {.name = "VREM", .fn = cmd_vrem, .arity = 3, .flags = CMD_WRITE | CMD_MODULE,
     .group = GROUP_MODULE, .keys = WRITES, .since = "8.0.0",
     .summary = "Remove an element from a vector set", .complexity = "O(1)"},
    {.name = "VSETATTR", .fn = cmd_vsetattr, .arity = 4,
     .flags = CMD_WRITE | CMD_MODULE | CMD_FAST, .group = GROUP_MODULE, .keys = WRITES,
     .since = "8.0.0", .summary = "Associate or remove the JSON attributes of an element",
     .complexity = "O(1)"},
    {.name = "VSIM", .fn = cmd_vsim, .arity = -4, .flags = READ, .group = GROUP_MODULE,
     .keys = READS, .since = "8.0.0", .summary = "Return elements by vector similarity",
     .complexity = "O(N*D) where N is the number of elements and D of dimensions."},
    {.name = "VSEARCH", .fn = cmd_vsearch, .arity = -4, .flags = READ, .group = GROUP_MODULE,
     .keys = READS, .since = "8.0.0",
     .summary = "Return the nearest elements, with scores, attributes and vectors",
     .complexity = "O(N*D) where N is the number of elements and D of dimensions."},
    {.name = "VCARD", .fn = cmd_vcard, .arity = 2, .flags = READ | CMD_FAST,
     .group = GROUP_MODULE, .keys = READS, .since = "8.0.0",
     .summary = "Return the number of elements in a vector set", .complexity = "O(1)"},
    {.name = "VDIM", .fn = cmd_vdim, .arity = 2, .flags = READ | CMD_FAST, .group = GROUP_MODULE,
     .keys = READS, .since = "8.0.0", .summary = "Return the dimension of vectors in the vector set",
     .complexity = "O(1)"},
    {.name = "VEMB", .fn = cmd_vemb, .arity = -3, .flags = READ | CMD_FAST,
     .group = GROUP_MODULE, .keys = READS, .since = "8.0.0",
     .summary = "Return the vector associated with an element", .complexity = "O(D)"},
    {.name = "VINFO", .fn = cmd_vinfo, .arity = 2, .flags = READ | CMD_FAST,
     .group = GROUP_MODULE, .keys = READS, .since = "8.0.0",
     .summary = "Return information about a vector set", .complexity = "O(1)"},
    {.name = "VGETATTR", .fn = cmd_vgetattr, .arity = 3, .flags = READ | CMD_FAST,
     .group = GROUP_MODULE, .keys = READS, .since = "8.0.0",
     .summary = "Retrieve the JSON attributes of an element", .complexity = "O(1)"},
    {.name = "VLINKS", .fn = cmd_vlinks, .arity = -3, .flags = READ | CMD_FAST,
     .group = GROUP_MODULE, .keys = READS, .since = "8.0.0",
     .summary = "Return the neighbors of an element", .complexity = "O(N*D)"},
    {.name = "VRANDMEMBER", .fn = cmd_vrandmember, .arity = -2, .flags = READ,
     .group = GROUP_MODULE, .keys = READS, .since = "8.0.0",
     .summary = "Return one or multiple random members from a vector set",
     .complexity = "O(N) where N is the absolute value of the count argument."},
    {.name = "VISMEMBER", .fn = cmd_vismember, .arity = 3, .flags = READ, .group = GROUP_MODULE,
     .keys = READS, .since = "8.2.0", .summary = "Check if an element exists in a vector set",
     .complexity = "O(1)"},
    {.name = "VRANGE", .fn = cmd_vrange, .arity = -4, .flags = READ, .group = GROUP_MODULE,
     .keys = READS, .since = "8.4.0", .summary = "Return elements in a lexicographical range",
     .complexity = "O(N*log(N)) where N is the number of elements."},
};

static const struct type *const types[] = {&vset_type, NULL};

const module vector_module = {
    .name = "vectorset",
    .version = 1,
    .commands = rows,
    .commands_count = sizeof(rows) / sizeof(*rows),
    .types = types,
};
