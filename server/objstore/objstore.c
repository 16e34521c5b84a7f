/* objstore.c -- what all stores share. */
#include "objstore/objstore.h"

static bool name_byte(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           c == '.' || c == '_' || c == '-' || c == '/';
}

/* No empty part, no part "." or "..", no slash at either end: so a name can neither leave
 * a directory nor be written in two ways. */
bool objstore_name_ok(const char *name) {
    size_t n = strlen(name), part = 0;
    if (n == 0 || n > OBJ_NAME_MAX) return false;
    for (size_t i = 0; i <= n; i++) {
        if (i < n && name[i] != '/') {
            if (!name_byte(name[i])) return false;
            continue;
        }
        size_t bytes = i - part;
        if (bytes == 0) return false;
        if (bytes == 1 && name[part] == '.') return false;
        if (bytes == 2 && name[part] == '.' && name[part + 1] == '.') return false;
        part = i + 1;
    }
    return true;
}
