/*
 * engine/message/format.h - what stands behind a format: values to send, or places to read into,
 * each with its type.
 *
 *   ptl_sendf(node, &to, "ti", "hello", -1)
 *      '--> ptl_sendv(node, &to, "ti", {chars "hello"}, {int -1}, {end})
 *
 * The compiler knows the type of every argument, so it is taken along, and the letters are compared
 * with it: an integer of any width arrives as it is, and a format that does not fit what stands
 * behind it is PTL_EINVAL.  Nothing here is called by its own name, but by the macros of
 * engine/portolan.h; who writes a function of the kind uses PTL_FORMAT().
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
#include <type_traits>
#endif

struct ptl_msg;
struct ptl_port;
struct ptl_value;

enum ptl_argument_type {
    PTL_ARGUMENT_END, /* there is no more */
    /* Values. */
    PTL_ARGUMENT_INT,   /* signed, of any width */
    PTL_ARGUMENT_UINT,  /* unsigned, of any width; bool too */
    PTL_ARGUMENT_FLOAT, /* also float */
    PTL_ARGUMENT_CHARS, /* const char *, and of signed or unsigned char */
    PTL_ARGUMENT_PORT,  /* const struct ptl_port * */
    PTL_ARGUMENT_MSG,   /* const struct ptl_msg * */
    PTL_ARGUMENT_BYTES, /* any other pointer */
    /* Places to read into. */
    PTL_ARGUMENT_INT_AT,  /* `size` bytes */
    PTL_ARGUMENT_UINT_AT, /* the same */
    PTL_ARGUMENT_BOOL_AT,
    PTL_ARGUMENT_FLOAT_AT,
    PTL_ARGUMENT_CHARS_AT, /* const char ** */
    PTL_ARGUMENT_PORT_AT,  /* struct ptl_port *; a value too */
    PTL_ARGUMENT_VALUE_AT,
};

struct ptl_argument {
    enum ptl_argument_type type;
    uint32_t size;
    union {
        int64_t integer;
        uint64_t natural;
        double real;
        const void *pointer;
    };
};

static inline struct ptl_argument ptl_argument_int(int64_t value)
{
    struct ptl_argument argument = {PTL_ARGUMENT_INT, sizeof(value), {value}};
    return argument;
}

static inline struct ptl_argument ptl_argument_uint(uint64_t value)
{
    struct ptl_argument argument = {PTL_ARGUMENT_UINT, sizeof(value), {0}};
    argument.natural = value;
    return argument;
}

static inline struct ptl_argument ptl_argument_float(double value)
{
    struct ptl_argument argument = {PTL_ARGUMENT_FLOAT, sizeof(value), {0}};
    argument.real = value;
    return argument;
}

static inline struct ptl_argument ptl_argument_pointer(enum ptl_argument_type type, size_t size,
                                                       const void *pointer)
{
    struct ptl_argument argument = {type, (uint32_t)size, {0}};
    argument.pointer = pointer;
    return argument;
}

/* clang-format off */

/* One function for each kind of pointer: `name`, what it points to, its type. */
#define PTL_ARGUMENT_POINTER_(name, pointed, type)                        \
    static inline struct ptl_argument ptl_argument_##name(pointed *value) \
    {                                                                     \
        return ptl_argument_pointer(type, sizeof(*value), value);         \
    }
#define PTL_ARGUMENT_OPAQUE_(name, pointed, type)                         \
    static inline struct ptl_argument ptl_argument_##name(pointed *value) \
    {                                                                     \
        return ptl_argument_pointer(type, 0, value);                      \
    }

PTL_ARGUMENT_OPAQUE_(bytes, const void, PTL_ARGUMENT_BYTES)
PTL_ARGUMENT_OPAQUE_(chars, const char, PTL_ARGUMENT_CHARS)
PTL_ARGUMENT_OPAQUE_(schars, const signed char, PTL_ARGUMENT_CHARS)
PTL_ARGUMENT_OPAQUE_(uchars, const unsigned char, PTL_ARGUMENT_CHARS)
PTL_ARGUMENT_OPAQUE_(port, const struct ptl_port, PTL_ARGUMENT_PORT)
PTL_ARGUMENT_OPAQUE_(msg, const struct ptl_msg, PTL_ARGUMENT_MSG)
PTL_ARGUMENT_OPAQUE_(port_at, struct ptl_port, PTL_ARGUMENT_PORT_AT)
PTL_ARGUMENT_OPAQUE_(value_at, struct ptl_value, PTL_ARGUMENT_VALUE_AT)
PTL_ARGUMENT_POINTER_(bool_at, bool, PTL_ARGUMENT_BOOL_AT)
PTL_ARGUMENT_POINTER_(double_at, double, PTL_ARGUMENT_FLOAT_AT)
PTL_ARGUMENT_POINTER_(chars_at, const char *, PTL_ARGUMENT_CHARS_AT)
PTL_ARGUMENT_POINTER_(int_at, int, PTL_ARGUMENT_INT_AT)
PTL_ARGUMENT_POINTER_(long_at, long, PTL_ARGUMENT_INT_AT)
PTL_ARGUMENT_POINTER_(llong_at, long long, PTL_ARGUMENT_INT_AT)
PTL_ARGUMENT_POINTER_(uint_at, unsigned, PTL_ARGUMENT_UINT_AT)
PTL_ARGUMENT_POINTER_(ulong_at, unsigned long, PTL_ARGUMENT_UINT_AT)
PTL_ARGUMENT_POINTER_(ullong_at, unsigned long long, PTL_ARGUMENT_UINT_AT)

#undef PTL_ARGUMENT_POINTER_
#undef PTL_ARGUMENT_OPAQUE_

#ifndef __cplusplus

/* An argument with its type; `value` is evaluated once. */
#define PTL_ARGUMENT(value)                                                               \
    _Generic((value),                                                                     \
        bool: ptl_argument_uint, char: ptl_argument_int, signed char: ptl_argument_int,   \
        short: ptl_argument_int, int: ptl_argument_int, long: ptl_argument_int,           \
        long long: ptl_argument_int, unsigned char: ptl_argument_uint,                    \
        unsigned short: ptl_argument_uint, unsigned: ptl_argument_uint,                   \
        unsigned long: ptl_argument_uint, unsigned long long: ptl_argument_uint,          \
        float: ptl_argument_float, double: ptl_argument_float,                            \
        char *: ptl_argument_chars, const char *: ptl_argument_chars,                     \
        signed char *: ptl_argument_schars, const signed char *: ptl_argument_schars,     \
        unsigned char *: ptl_argument_uchars, const unsigned char *: ptl_argument_uchars, \
        const struct ptl_port *: ptl_argument_port,                                       \
        struct ptl_port *: ptl_argument_port_at,                                          \
        struct ptl_msg *: ptl_argument_msg, const struct ptl_msg *: ptl_argument_msg,     \
        struct ptl_value *: ptl_argument_value_at,                                        \
        bool *: ptl_argument_bool_at, double *: ptl_argument_double_at,                   \
        const char **: ptl_argument_chars_at,                                             \
        int *: ptl_argument_int_at, long *: ptl_argument_long_at,                         \
        long long *: ptl_argument_llong_at, unsigned *: ptl_argument_uint_at,             \
        unsigned long *: ptl_argument_ulong_at,                                           \
        unsigned long long *: ptl_argument_ullong_at,                                     \
        default: ptl_argument_bytes)(value)

/* `format, arguments`, as ptl_sendv() and its like take them; at most 24 arguments. */
#define PTL_FORMAT(...)                                                                   \
    PTL_FORMAT_(PTL_PICK_(__VA_ARGS__,                                                    \
                          PTL_A24_, PTL_A23_, PTL_A22_, PTL_A21_, PTL_A20_, PTL_A19_, PTL_A18_, \
                          PTL_A17_, PTL_A16_, PTL_A15_, PTL_A14_, PTL_A13_, PTL_A12_, PTL_A11_, \
                          PTL_A10_, PTL_A9_, PTL_A8_, PTL_A7_, PTL_A6_, PTL_A5_, PTL_A4_, \
                          PTL_A3_, PTL_A2_, PTL_A1_, PTL_A0_, 0),  \
                __VA_ARGS__, {0})
#define PTL_FORMAT_(each, format, ...) (format), (const struct ptl_argument[]){each(__VA_ARGS__)}
#define PTL_PICK_(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, \
                  a13, a14, a15, a16, a17, a18, a19, a20, a21, a22, a23, a24, \
                  each, ...) each
#define PTL_A0_(...) __VA_ARGS__ /* {0}: the end */
#define PTL_A1_(a, ...) PTL_ARGUMENT(a), PTL_A0_(__VA_ARGS__)
#define PTL_A2_(a, ...) PTL_ARGUMENT(a), PTL_A1_(__VA_ARGS__)
#define PTL_A3_(a, ...) PTL_ARGUMENT(a), PTL_A2_(__VA_ARGS__)
#define PTL_A4_(a, ...) PTL_ARGUMENT(a), PTL_A3_(__VA_ARGS__)
#define PTL_A5_(a, ...) PTL_ARGUMENT(a), PTL_A4_(__VA_ARGS__)
#define PTL_A6_(a, ...) PTL_ARGUMENT(a), PTL_A5_(__VA_ARGS__)
#define PTL_A7_(a, ...) PTL_ARGUMENT(a), PTL_A6_(__VA_ARGS__)
#define PTL_A8_(a, ...) PTL_ARGUMENT(a), PTL_A7_(__VA_ARGS__)
#define PTL_A9_(a, ...) PTL_ARGUMENT(a), PTL_A8_(__VA_ARGS__)
#define PTL_A10_(a, ...) PTL_ARGUMENT(a), PTL_A9_(__VA_ARGS__)
#define PTL_A11_(a, ...) PTL_ARGUMENT(a), PTL_A10_(__VA_ARGS__)
#define PTL_A12_(a, ...) PTL_ARGUMENT(a), PTL_A11_(__VA_ARGS__)
#define PTL_A13_(a, ...) PTL_ARGUMENT(a), PTL_A12_(__VA_ARGS__)
#define PTL_A14_(a, ...) PTL_ARGUMENT(a), PTL_A13_(__VA_ARGS__)
#define PTL_A15_(a, ...) PTL_ARGUMENT(a), PTL_A14_(__VA_ARGS__)
#define PTL_A16_(a, ...) PTL_ARGUMENT(a), PTL_A15_(__VA_ARGS__)
#define PTL_A17_(a, ...) PTL_ARGUMENT(a), PTL_A16_(__VA_ARGS__)
#define PTL_A18_(a, ...) PTL_ARGUMENT(a), PTL_A17_(__VA_ARGS__)
#define PTL_A19_(a, ...) PTL_ARGUMENT(a), PTL_A18_(__VA_ARGS__)
#define PTL_A20_(a, ...) PTL_ARGUMENT(a), PTL_A19_(__VA_ARGS__)
#define PTL_A21_(a, ...) PTL_ARGUMENT(a), PTL_A20_(__VA_ARGS__)
#define PTL_A22_(a, ...) PTL_ARGUMENT(a), PTL_A21_(__VA_ARGS__)
#define PTL_A23_(a, ...) PTL_ARGUMENT(a), PTL_A22_(__VA_ARGS__)
#define PTL_A24_(a, ...) PTL_ARGUMENT(a), PTL_A23_(__VA_ARGS__)

#else

#define PTL_OVERLOAD_(pointed, name)                                  \
    static inline struct ptl_argument ptl_argument_of(pointed *value) \
    {                                                                 \
        return ptl_argument_##name(value);                            \
    }

PTL_OVERLOAD_(const void, bytes)
PTL_OVERLOAD_(const char, chars)
PTL_OVERLOAD_(const signed char, schars)
PTL_OVERLOAD_(const unsigned char, uchars)
PTL_OVERLOAD_(const struct ptl_port, port)
PTL_OVERLOAD_(const struct ptl_msg, msg)
PTL_OVERLOAD_(struct ptl_port, port_at)
PTL_OVERLOAD_(struct ptl_value, value_at)
PTL_OVERLOAD_(bool, bool_at)
PTL_OVERLOAD_(double, double_at)
PTL_OVERLOAD_(const char *, chars_at)
PTL_OVERLOAD_(int, int_at)
PTL_OVERLOAD_(long, long_at)
PTL_OVERLOAD_(long long, llong_at)
PTL_OVERLOAD_(unsigned, uint_at)
PTL_OVERLOAD_(unsigned long, ulong_at)
PTL_OVERLOAD_(unsigned long long, ullong_at)
#undef PTL_OVERLOAD_

static inline struct ptl_argument ptl_argument_of(double value)
{
    return ptl_argument_float(value);
}

template <class T>
static inline typename std::enable_if<std::is_integral<T>::value, struct ptl_argument>::type
ptl_argument_of(T value)
{
    return std::is_signed<T>::value ? ptl_argument_int(static_cast<int64_t>(value))
                                    : ptl_argument_uint(static_cast<uint64_t>(value));
}

template <class T>
static inline typename std::enable_if<std::is_enum<T>::value, struct ptl_argument>::type
ptl_argument_of(T value)
{
    return ptl_argument_int(static_cast<int64_t>(value));
}

#endif

/* clang-format on */
