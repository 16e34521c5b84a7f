/* vector.c -- the module's door: its table of commands and its type. */
#include "modules/vector/vector.h"

#include "modules/vector/commands.h"

#define KEY(f) {{.flags = (f) | KEY_ACCESS, .begin = KEYS_INDEX, .pos = 1, .step = 1}}
#define WRITES KEY(KEY_RW | KEY_UPDATE)
#define READS KEY(KEY_RO)
#define READ (CMD_READONLY | CMD_MODULE)

/* Names as they are shown; they are found in any case. */
static const struct command rows[] = {
    {.name = "VADD", .fn = cmd_vadd, .arity = -5,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_MODULE,
     .group = GROUP_MODULE, .keys = WRITES, .since = "8.0.0",
     .summary = "Put an element with its vector into a set, or give it a new vector",
     .complexity = "O(D) for D dimensions"},
    {.name = "VMADD", .fn = cmd_vmadd, .arity = -7,
     .flags = CMD_WRITE | CMD_DENYOOM | CMD_MODULE,
     .group = GROUP_MODULE, .keys = WRITES, .since = "0.1.0",
     .summary = "Put many elements with their vectors into a set",
     .complexity = "O(N*D) for N elements of D dimensions"},
    {.name = "VRECALL", .fn = cmd_vrecall, .arity = -2, .flags = READ,
     .group = GROUP_MODULE, .keys = READS, .since = "0.1.0",
     .summary = "How many of the true nearest a search finds, measured on elements of the set",
     .complexity = "O(S*N) for S samples and N elements"},
    {.name = "VREM", .fn = cmd_vrem, .arity = 3, .flags = CMD_WRITE | CMD_MODULE,
     .group = GROUP_MODULE, .keys = WRITES, .since = "8.0.0",
     .summary = "Take an element out of a vector set", .complexity = "O(1)"},
    {.name = "VSETATTR", .fn = cmd_vsetattr, .arity = 4,
     .flags = CMD_WRITE | CMD_MODULE | CMD_FAST, .group = GROUP_MODULE, .keys = WRITES,
     .since = "8.0.0", .summary = "Set or remove what filters ask an element about",
     .complexity = "O(1)"},
    {.name = "VSIM", .fn = cmd_vsim, .arity = -4, .flags = READ, .group = GROUP_MODULE,
     .keys = READS, .since = "8.0.0",
     .summary = "The elements most similar to a vector or an element",
     .complexity = "O(N*D) for N elements of D dimensions"},
    {.name = "VSEARCH", .fn = cmd_vsearch, .arity = -4, .flags = READ,
     .group = GROUP_MODULE,
     .keys = READS, .since = "8.0.0",
     .summary = "The nearest elements, with scores, attributes, vectors",
     .complexity = "O(N*D) for N elements of D dimensions"},
    {.name = "VCARD", .fn = cmd_vcard, .arity = 2, .flags = READ | CMD_FAST,
     .group = GROUP_MODULE, .keys = READS, .since = "8.0.0",
     .summary = "How many elements a vector set has", .complexity = "O(1)"},
    {.name = "VDIM", .fn = cmd_vdim, .arity = 2, .flags = READ | CMD_FAST,
     .group = GROUP_MODULE,
     .keys = READS, .since = "8.0.0", .summary = "How many components its vectors have",
     .complexity = "O(1)"},
    {.name = "VEMB", .fn = cmd_vemb, .arity = -3, .flags = READ | CMD_FAST,
     .group = GROUP_MODULE, .keys = READS, .since = "8.0.0",
     .summary = "The vector of an element, as it is stored", .complexity = "O(D)"},
    {.name = "VINFO", .fn = cmd_vinfo, .arity = -2, .flags = READ | CMD_FAST,
     .group = GROUP_MODULE, .keys = READS, .since = "8.0.0",
     .summary = "Facts about a vector set", .complexity = "O(1)"},
    {.name = "VGETATTR", .fn = cmd_vgetattr, .arity = 3, .flags = READ | CMD_FAST,
     .group = GROUP_MODULE, .keys = READS, .since = "8.0.0",
     .summary = "What VSETATTR has set", .complexity = "O(1)"},
    {.name = "VLINKS", .fn = cmd_vlinks, .arity = -3, .flags = READ | CMD_FAST,
     .group = GROUP_MODULE, .keys = READS, .since = "8.0.0",
     .summary = "The neighbours of an element", .complexity = "O(N*D)"},
    {.name = "VRANDMEMBER", .fn = cmd_vrandmember, .arity = -2, .flags = READ,
     .group = GROUP_MODULE, .keys = READS, .since = "8.0.0",
     .summary = "Elements drawn by chance",
     .complexity = "O(N) for N names"},
    {.name = "VISMEMBER", .fn = cmd_vismember, .arity = 3, .flags = READ,
     .group = GROUP_MODULE,
     .keys = READS, .since = "8.2.0", .summary = "Whether a vector set has an element",
     .complexity = "O(1)"},
    {.name = "VRANGE", .fn = cmd_vrange, .arity = -4, .flags = READ,
     .group = GROUP_MODULE,
     .keys = READS, .since = "8.4.0",
     .summary = "The elements of a range of names, in byte order",
     .complexity = "O(N*log(N)) for N elements"},
};

static const struct type *const types[] = {&vset_type, NULL};

const module vector_module = {
    .name = "vectorset",
    .version = 1,
    .commands = rows,
    .commands_count = sizeof(rows) / sizeof(*rows),
    .types = types,
};
