/*
 * tools/db_names.h - what is a family and what is a key, told to people before anything is asked.
 */
#pragma once

#include <stdbool.h>

/*
 * What is wrong with the name of a family, or NULL.  "'l" and "'g", the network's own, are good for
 * reading only.
 */
const char *ptl_db_family_fault(const char *family, bool writing);

/* What is wrong with a key, or NULL. */
const char *ptl_db_key_fault(const char *key);
