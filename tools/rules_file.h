/*
 * tools/rules_file.h - a file that says what other nodes may do: read once, bounded, and judged.
 *
 * Spec: docs/rules.md.
 */
#pragma once

#include "engine/portolan.h"
#include "tools/command.h"

#define PTL_RULES_MISTAKE_MAX 1024 /* bytes of one, its NUL included */

struct ptl_rules_file {
    struct ptl_rules *rules;
    char *text;
    size_t size;
};

/* "FILE:12: what is wrong", or "FILE: ..." where it is the file as a whole. */
typedef void ptl_rules_file_mistake_fn(void *data, const char *mistake);

/*
 * Read it.  A file that others than its owner and group may write is a mistake; `again`: so is what
 * could make the caller wait, a pipe.  Returns PTL_EXIT_OK, PTL_EXIT_START when mistakes were told,
 * PTL_EXIT_OTHER when there is no memory, which is told as one, too.
 * Owns: the caller, until ptl_rules_file_drop(), whatever this returned.
 */
int ptl_rules_file_read(const char *path, bool again, ptl_rules_file_mistake_fn *tell, void *data,
                        struct ptl_rules_file *file);
void ptl_rules_file_drop(struct ptl_rules_file *file);
