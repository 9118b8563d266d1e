#include "io/err.h"

#include <string.h>

const char *ptl_err_text(int err)
{
    switch (err) {
    case PTL_OK:
        return "no error";
#define PTL_ERROR_TEXT(name, value, text)                                                          \
    case name:                                                                                     \
        return text;
        PTL_ERRORS(PTL_ERROR_TEXT)
#undef PTL_ERROR_TEXT
    default:
        /* strerrordesc_np() is constant per number: safe on every thread, unlike strerror(). */
        return err < 0 && strerrordesc_np(-err) != NULL ? strerrordesc_np(-err) : "unknown error";
    }
}

const char *ptl_err_name(int err)
{
    switch (err) {
    case PTL_OK:
        return "PTL_OK";
#define PTL_ERROR_NAME(name, value, text)                                                          \
    case name:                                                                                     \
        return #name;
        PTL_ERRORS(PTL_ERROR_NAME)
#undef PTL_ERROR_NAME
    default:
        return "errno";
    }
}
