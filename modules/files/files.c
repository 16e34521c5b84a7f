/* files.c -- the module: its commands and its type. What volumes are is in volume.h. */
#include "modules/files/files.h"

#include "modules/files/fs.h"

#define ARG_KEY_AND_PATH                                                                 \
    {.name = "volume", .type = "key"}, {.name = "path", .type = "string"}
#define ARG_OPTION(n, kind, t) \
    {.name = n, .type = kind, .token = t, .flags = ARG_OPTIONAL}
#define ARG_FLAG(n, t) ARG_OPTION(n, "pure-token", t)
#define ARG_END {.name = NULL}

static const struct command_arg write_where[] = {
    {.name = "offset", .type = "integer", .token = "OFFSET"},
    {.name = "trunc", .type = "pure-token", .token = "TRUNC"}, ARG_END};
static const struct command_arg write_when[] = {
    {.name = "nx", .type = "pure-token", .token = "NX"},
    {.name = "xx", .type = "pure-token", .token = "XX"},
    {.name = "version", .type = "integer", .token = "IFVER"}, ARG_END};
static const struct command_arg args_write[] = {
    ARG_KEY_AND_PATH, {.name = "data", .type = "string"},
    {.name = "where", .type = "oneof", .flags = ARG_OPTIONAL, .args = write_where},
    {.name = "condition", .type = "oneof", .flags = ARG_OPTIONAL, .args = write_when},
    ARG_FLAG("parents", "PARENTS"), ARG_OPTION("mode", "string", "MODE"), ARG_END};
static const struct command_arg args_append[] = {
    ARG_KEY_AND_PATH, {.name = "data", .type = "string"},
    ARG_OPTION("ifsize", "integer", "IFSIZE"), ARG_END};
static const struct command_arg args_truncate[] = {
    ARG_KEY_AND_PATH, {.name = "size", .type = "integer"}, ARG_END};
static const struct command_arg read_bytes_args[] = {
    ARG_OPTION("offset", "integer", "OFFSET"), ARG_OPTION("len", "integer", "LEN"),
    ARG_END};
static const struct command_arg read_lines_args[] = {
    {.name = "first", .type = "integer", .token = "LINES"},
    {.name = "last", .type = "integer"}, ARG_END};
static const struct command_arg read_what[] = {
    {.name = "bytes", .type = "block", .args = read_bytes_args},
    {.name = "lines", .type = "block", .args = read_lines_args}, ARG_END};
static const struct command_arg args_read[] = {
    ARG_KEY_AND_PATH,
    {.name = "part", .type = "oneof", .flags = ARG_OPTIONAL, .args = read_what},
    ARG_FLAG("withmeta", "WITHMETA"), ARG_END};
static const struct command_arg args_stat[] = {
    ARG_KEY_AND_PATH, ARG_FLAG("nofollow", "NOFOLLOW"), ARG_END};
static const struct command_arg args_ls[] = {
    ARG_KEY_AND_PATH, ARG_OPTION("cursor", "string", "CURSOR"),
    ARG_OPTION("count", "integer", "COUNT"), ARG_FLAG("withstat", "WITHSTAT"),
    ARG_OPTION("glob", "pattern", "GLOB"), ARG_END};
static const struct command_arg args_mkdir[] = {
    ARG_KEY_AND_PATH, ARG_FLAG("parents", "PARENTS"),
    ARG_OPTION("mode", "string", "MODE"), ARG_END};
static const struct command_arg args_rm[] = {
    ARG_KEY_AND_PATH, ARG_FLAG("recursive", "RECURSIVE"), ARG_END};
static const struct command_arg move_when[] = {
    {.name = "nx", .type = "pure-token", .token = "NX"},
    {.name = "exchange", .type = "pure-token", .token = "EXCHANGE"}, ARG_END};
static const struct command_arg args_mv[] = {
    {.name = "volume", .type = "key"}, {.name = "source", .type = "string"},
    {.name = "destination", .type = "string"},
    {.name = "condition", .type = "oneof", .flags = ARG_OPTIONAL, .args = move_when},
    ARG_END};
static const struct command_arg args_cp[] = {
    {.name = "volume", .type = "key"}, {.name = "source", .type = "string"},
    {.name = "destination", .type = "string"}, ARG_FLAG("recursive", "RECURSIVE"),
    ARG_END};
static const struct command_arg args_info[] = {
    {.name = "volume", .type = "key"}, ARG_END};

#define VOLUME_KEY(f) \
    {{.flags = (f), .begin = KEYS_INDEX, .pos = 1, .find = KEYS_RANGE, .step = 1}}
#define FS_WRITES(n, least, more, docs, cost, text)                                      \
    {.name = "fs." #n, .fn = cmd_fs_##n, .arity = -(least), .flags = CMD_WRITE | (more), \
     .group = GROUP_MODULE, .keys = VOLUME_KEY(KEY_RW | KEY_ACCESS | KEY_UPDATE),        \
     .since = "1.0.0", .summary = text, .complexity = cost, .args = docs}
#define FS_READS(n, least, more, docs, cost, text)                                       \
    {.name = "fs." #n, .fn = cmd_fs_##n, .arity = (least), .flags = CMD_READONLY | (more), \
     .group = GROUP_MODULE, .keys = VOLUME_KEY(KEY_RO | KEY_ACCESS), .since = "1.0.0",   \
     .summary = text, .complexity = cost, .args = docs}

static const struct command rows[] = {
    FS_WRITES(write, 4, CMD_DENYOOM, args_write,
              "O(N) where N is the number of bytes written",
              "Writes a file of a volume, as a whole or in part"),
    FS_WRITES(append, 4, CMD_DENYOOM | CMD_FAST, args_append,
              "O(N) where N is the number of bytes appended",
              "Appends to a file of a volume"),
    FS_WRITES(truncate, 4, CMD_DENYOOM, args_truncate,
              "O(N) where N is the number of 64 KiB chunks cut off",
              "Sets the size of a file"),
    FS_READS(read, -3, 0, args_read, "O(N) where N is the number of bytes read",
             "Returns the content of a file, a part of it, or some of its lines"),
    FS_READS(stat, -3, CMD_FAST, args_stat, "O(D) where D is the depth of the path",
             "Returns what is known about a file or folder"),
    FS_READS(ls, -3, 0, args_ls, "O(N) where N is COUNT",
             "Lists a folder in the order of names"),
    FS_READS(info, 2, CMD_FAST, args_info, "O(1)",
             "Returns the size and version of a volume"),
    FS_WRITES(mkdir, 3, CMD_DENYOOM | CMD_FAST, args_mkdir,
              "O(D) where D is the depth of the path", "Makes a folder"),
    FS_WRITES(rm, 3, 0, args_rm,
              "O(N) where N is the number of files, folders and chunks removed",
              "Removes a file or a folder, returns the number of both removed"),
    FS_WRITES(mv, 4, 0, args_mv, "O(D) where D is the depth of the paths",
              "Moves or exchanges files and folders"),
    FS_WRITES(cp, 4, CMD_DENYOOM, args_cp,
              "O(N) where N is the number of files, folders and chunks; they are shared",
              "Copies a file or a folder"),
};

static const struct type *const types[] = {&type_volume, NULL};

const module files_module = {
    .name = "files",
    .version = 1,
    .commands = rows,
    .commands_count = sizeof(rows) / sizeof(*rows),
    .types = types,
};
