// What arguments_test.c does in C, once more in C++: there the macros are templates.
#include "engine/portolan.h"

#include "tests/engine/message/arguments_in_cc.h"

namespace {
enum class colour : unsigned char { blue = 7 };
}

int arguments_in_cc_make(struct ptl_msg **msg)
{
    const bool truth = true;
    const char text[] = "text";
    const short small = -3;

    return ptl_msg_make(nullptr, msg, "iiuifbTt[]i", -1, INT64_MIN, UINT64_MAX, small, 0.5F, truth,
                        text, 2, "end", colour::blue);
}

int arguments_in_cc_refuse(struct ptl_msg **msg)
{
    return ptl_msg_make(nullptr, msg, "t", 1);
}

int arguments_in_cc_read(const struct ptl_msg *msg)
{
    int number = 0;
    int64_t least = 0;
    uint64_t most = 0;
    unsigned bits = 0;

    int err = ptl_msg_read(nullptr, msg, "iiu", &number, &least, &most);
    if (err < 0 || number != -1 || least != INT64_MIN || most != UINT64_MAX) {
        return err < 0 ? err : 1;
    }
    return ptl_msg_read(nullptr, msg, "i", &bits) == PTL_EINVAL ? 0 : 2;
}
