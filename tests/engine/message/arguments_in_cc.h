/*
 * tests/engine/message/arguments_in_cc.h - formats as a C++ program writes them.
 */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

struct ptl_msg;

/* A message of every kind of argument. */
int arguments_in_cc_make(struct ptl_msg **msg);

/* A format that does not fit its arguments. */
int arguments_in_cc_refuse(struct ptl_msg **msg);

/* Reads the first three values of arguments_in_cc_make(); 0 when all is as it was sent. */
int arguments_in_cc_read(const struct ptl_msg *msg);

#ifdef __cplusplus
}
#endif
