/*
 * engine/port/function.h - the program's init functions, which nodes may spawn by name.
 */
#pragma once

#include "engine/portolan.h"
#include "io/base.h"

struct ptl_function {
    char *name;
    ptl_handler_fn *init;
    void *data;
};

/* The init function of that name.  Thread: any.  Returns false if there is none. */
bool ptl_node_function(struct ptl_node *node, struct ptl_span name, struct ptl_function *function);

/* Forget them all: the node ends. */
void ptl_functions_drop(struct ptl_node *node);
