#include "tools/db_names.h"

#include "tools/common.h"

#include <string.h>

#define FAMILY_BYTES_MAX 255
#define LETTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

const char *ptl_db_family_fault(const char *family, bool writing)
{
    if (strcmp(family, "'l") == 0 || strcmp(family, "'g") == 0) {
        return writing ? "it is the network's own: read or watch it" : NULL;
    }
    if (strlen(family) > FAMILY_BYTES_MAX) {
        return "it has more than 255 bytes";
    }
    if (family[0] == '\0' || !strchr(LETTERS, family[0]) ||
        family[strspn(family, LETTERS "0123456789_:")] != '\0') {
        return "it is a letter, then letters, digits, '_' and ':'";
    }
    return NULL;
}

const char *ptl_db_key_fault(const char *key)
{
    size_t size = strlen(key);

    if (size == 0) {
        return "it is empty";
    }
    if (size > PTL_DB_KEY_MAX) {
        return "it has more than 1024 bytes";
    }
    return ptl_is_text(key, size) ? NULL : "it is not UTF-8";
}
