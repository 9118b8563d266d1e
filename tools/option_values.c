#include "tools/option_values.h"

#include "engine/portolan.h"
#include "tools/http/listen.h"
#include "tools/secret.h"
#include "tools/services.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_TEXT_MAX 128
#define SERVICE_BYTES_MAX 255

/* Say why, and no. */
__attribute__((format(printf, 2, 3))) static bool refuse(char why[PTL_WHY_MAX], const char *format,
                                                         ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(why, PTL_WHY_MAX, format, arguments);
    va_end(arguments);
    return false;
}

static void *place_of(const struct ptl_option *option, struct ptl_options *options)
{
    return (char *)options + option->place;
}

static bool is_word_of(const char *word, size_t size, const char *words)
{
    for (const char *at = words; *at != '\0';) {
        size_t length = strcspn(at, "|");
        if (length == size && memcmp(at, word, size) == 0) {
            return true;
        }
        at += length + (at[length] == '|');
    }
    return false;
}

/* ---- Yes, no, numbers ---------------------------------------------------------------------- */

bool ptl_take_yes_no(const struct ptl_option *option, const char *text, struct ptl_options *options,
                     char why[PTL_WHY_MAX])
{
    bool yes = is_word_of(text, strlen(text), "yes|true|on|1");

    if (!yes && !is_word_of(text, strlen(text), "no|false|off|0")) {
        return refuse(why, "takes yes or no, not '%s'", text);
    }
    *(bool *)place_of(option, options) = yes;
    return true;
}

static bool take_whole(const struct ptl_option *option, const char *text, uint64_t *number,
                       char why[PTL_WHY_MAX])
{
    char *end;

    errno = 0;
    *number = strtoull(text, &end, 10);
    if (isdigit((unsigned char)text[0]) && *end == '\0' && errno == 0 && *number >= option->least &&
        *number <= option->most) {
        return true;
    }
    return refuse(why, "takes a whole number from %llu to %llu, not '%s'",
                  (unsigned long long)option->least, (unsigned long long)option->most, text);
}

bool ptl_take_unsigned(const struct ptl_option *option, const char *text,
                       struct ptl_options *options, char why[PTL_WHY_MAX])
{
    uint64_t number;
    bool good = take_whole(option, text, &number, why);

    if (good) {
        *(unsigned *)place_of(option, options) = (unsigned)number;
    }
    return good;
}

bool ptl_take_size(const struct ptl_option *option, const char *text, struct ptl_options *options,
                   char why[PTL_WHY_MAX])
{
    uint64_t number;
    bool good = take_whole(option, text, &number, why);

    if (good) {
        *(size_t *)place_of(option, options) = (size_t)number;
    }
    return good;
}

bool ptl_take_count(const struct ptl_option *option, const char *text, struct ptl_options *options,
                    char why[PTL_WHY_MAX])
{
    uint64_t number;
    bool good = take_whole(option, text, &number, why);

    if (good) {
        *(uint64_t *)place_of(option, options) = number;
    }
    return good;
}

bool ptl_take_seconds(const struct ptl_option *option, const char *text,
                      struct ptl_options *options, char why[PTL_WHY_MAX])
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end != '\0' || !(seconds >= 0.001 && seconds <= 1e6)) {
        return refuse(why, "takes seconds, say 2.5, from 0.001 to 1000000, not '%s'", text);
    }
    *(unsigned *)place_of(option, options) = (unsigned)(seconds * 1000);
    return true;
}

bool ptl_take_timeout(const struct ptl_option *option, const char *text,
                      struct ptl_options *options, char why[PTL_WHY_MAX])
{
    bool good = ptl_take_seconds(option, text, options, why);

    if (good) {
        options->probe_ms = options->timeout_ms;
    }
    return good;
}

/* ---- Texts --------------------------------------------------------------------------------- */

bool ptl_take_text(const struct ptl_option *option, const char *text, struct ptl_options *options,
                   char why[PTL_WHY_MAX])
{
    if (text[0] == '\0' && (option->of & PTL_OF_RUN)) {
        return refuse(why, "has no value");
    }
    *(const char **)place_of(option, options) = text;
    return true;
}

/* "error, warn, info or debug" */
static void name_words(const char *words, char text[WORDS_TEXT_MAX])
{
    size_t used = 0;

    text[0] = '\0';
    for (const char *at = words; *at != '\0' && used < WORDS_TEXT_MAX;) {
        int length = (int)strcspn(at, "|");
        const char *between = at == words ? "" : at[length] == '\0' ? " or " : ", ";
        used += (size_t)snprintf(text + used, WORDS_TEXT_MAX - used, "%s%.*s", between, length, at);
        at += length + (at[length] == '|');
    }
}

bool ptl_take_word(const struct ptl_option *option, const char *text, struct ptl_options *options,
                   char why[PTL_WHY_MAX])
{
    char words[WORDS_TEXT_MAX];

    if (!is_word_of(text, strlen(text), option->words)) {
        name_words(option->words, words);
        return refuse(why, "takes %s, not '%s'", words, text);
    }
    *(const char **)place_of(option, options) = text;
    return true;
}

bool ptl_take_framings(const struct ptl_option *option, const char *text,
                       struct ptl_options *options, char why[PTL_WHY_MAX])
{
    for (const char *word = text;; word++) {
        size_t size = strcspn(word, ",");
        /* Our own is the first, or not there. */
        if (!is_word_of(word, size, option->words) || (word[0] == 'p' && word != text)) {
            return refuse(why,
                          "takes cbor, json, and before these portolan, with commas between them, "
                          "not '%s'",
                          text);
        }
        word += size;
        if (*word == '\0') {
            break;
        }
    }
    *(const char **)place_of(option, options) = text;
    return true;
}

bool ptl_take_node(const struct ptl_option *option, const char *text, struct ptl_options *options,
                   char why[PTL_WHY_MAX])
{
    size_t size = strlen(text);

    if (size == 0 || size > PTL_NODE_ID_MAX || strpbrk(text, "#\r\n")) {
        return refuse(why, "takes 1 to %d bytes without '#' and line ends, not '%s'",
                      PTL_NODE_ID_MAX, text);
    }
    *(const char **)place_of(option, options) = text;
    return true;
}

bool ptl_take_secret(const struct ptl_option *option, const char *text, struct ptl_options *options,
                     char why[PTL_WHY_MAX])
{
    size_t size = strlen(text);

    if (size == 0 || size > PTL_SECRET_MAX) {
        return refuse(why, "has %zu bytes: give it 16 to %d", size, PTL_SECRET_MAX);
    }
    *(const char **)place_of(option, options) = text;
    return true;
}

/* ---- Lists --------------------------------------------------------------------------------- */

static bool add(const struct ptl_option *option, const char *item, struct ptl_options *options,
                char why[PTL_WHY_MAX])
{
    struct ptl_list *list = place_of(option, options);

    if (list->count == PTL_LIST_MAX) {
        return refuse(why, "is given more than %d times", PTL_LIST_MAX);
    }
    list->items[list->count++] = item;
    return true;
}

/* Whether the text has the form HOST:PORT or [HOST]:PORT, whatever there is at that address. */
static bool is_address(const char *text)
{
    const char *colon = strrchr(text, ':');
    const char *port = colon ? colon + 1 : "";
    size_t digits = strspn(port, "0123456789");
    size_t host = colon ? (size_t)(colon - text) : 0;

    if (host == 0 || digits == 0 || digits > 5 || port[digits] != '\0' || atoi(port) > 65535) {
        return false;
    }
    if (text[0] == '[') {
        return host > 2 && colon[-1] == ']';
    }
    return memchr(text, ':', host) == NULL && memchr(text, '*', host) == NULL;
}

static bool check_address(const char *text, char why[PTL_WHY_MAX])
{
    return is_address(text) || refuse(why,
                                      "takes HOST:PORT, say 127.0.0.1:4040, [::1]:4040 or, for "
                                      "every address of this host, 0.0.0.0:4040, not '%s'",
                                      text);
}

bool ptl_take_address(const struct ptl_option *option, const char *text,
                      struct ptl_options *options, char why[PTL_WHY_MAX])
{
    return check_address(text, why) && add(option, text, options, why);
}

bool ptl_is_service(const char *seed)
{
    return strncmp(seed, "srv:", 4) == 0 && !is_address(seed);
}

bool ptl_take_seed(const struct ptl_option *option, const char *text, struct ptl_options *options,
                   char why[PTL_WHY_MAX])
{
    const char *name = text + 4;

    if (ptl_is_service(text) &&
        (name[0] == '\0' || strlen(name) > SERVICE_BYTES_MAX || strpbrk(name, " :*,;[]"))) {
        return refuse(why, "takes a service as srv:_portolan._tcp.example, not '%s'", text);
    }
    if (!ptl_is_service(text) && !is_address(text)) {
        return refuse(why,
                      "takes HOST:PORT, say 10.0.0.1:4040, [::1]:4040 or rain.example:4040, or "
                      "srv:_portolan._tcp.example, a service that DNS knows, not '%s'",
                      text);
    }
    return add(option, text, options, why);
}

bool ptl_take_http(const struct ptl_option *option, const char *text, struct ptl_options *options,
                   char why[PTL_WHY_MAX])
{
    char address[32];

    /* A port alone is one of 127.0.0.1. */
    snprintf(address, sizeof address, "127.0.0.1:%s", strlen(text) <= 5 ? text : "");
    if (!is_address(text) && !is_address(address)) {
        return refuse(why, "takes a port of 127.0.0.1 or HOST:PORT, not '%s'", text);
    }
    *(const char **)place_of(option, options) = text;
    return true;
}

/* Others are to connect there, so "any port" and "every address" mean nothing. */
bool ptl_take_announce(const struct ptl_option *option, const char *text,
                       struct ptl_options *options, char why[PTL_WHY_MAX])
{
    if (!check_address(text, why)) {
        return false;
    }
    if (atoi(strrchr(text, ':') + 1) == 0 || strncmp(text, "0.0.0.0:", 8) == 0 ||
        strncmp(text, "[::]:", 5) == 0) {
        return refuse(why, "takes an address that others connect to, not '%s'", text);
    }
    return add(option, text, options, why);
}

bool ptl_take_service(const struct ptl_option *option, const char *text,
                      struct ptl_options *options, char why[PTL_WHY_MAX])
{
    if (!ptl_service_exists(text)) {
        return refuse(why, "means no service '%s': choose of %s", text, ptl_service_names);
    }
    return add(option, text, options, why);
}

static const char *first_open(const struct ptl_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (!ptl_http_is_loopback(list->items[i])) {
            return list->items[i];
        }
    }
    return NULL;
}

const char *ptl_open_address(const struct ptl_options *options, const char **key)
{
    const char *bind = first_open(&options->binds);

    *key = bind ? "bind" : "seed";
    return bind ? bind : first_open(&options->seeds);
}
