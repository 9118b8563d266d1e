#include "tools/config/effective.h"

#include "tools/config/lines.h"
#include "tools/option_values.h"

#include <string.h>

#include <wolfssl/options.h>

#include <wolfssl/wolfcrypt/sha256.h>

#define SHOWN_MAX 400 /* bytes of "key = value"; a longer one is cut */
#define COLUMN 38     /* where comments stand behind it */

/* ---- One value after the other ------------------------------------------------------------- */

/* Whether the value is the one of its option that counts last, or one of several. */
static bool is_shown(const struct ptl_settings *settings, const struct ptl_given *given)
{
    if (!ptl_settings_counts(settings, given)) {
        return false;
    }
    for (const struct ptl_given *later = given->next; later && !given->option->is_repeated;
         later = later->next) {
        if (later->option == given->option && ptl_settings_counts(settings, later)) {
            return false;
        }
    }
    return true;
}

/* The next value of the option that counts behind `given` (NULL: the first), or NULL. */
static const struct ptl_given *next_shown(const struct ptl_settings *settings,
                                          const struct ptl_option *option,
                                          const struct ptl_given *given)
{
    for (given = given ? given->next : settings->givens; given; given = given->next) {
        if (given->option == option && is_shown(settings, given)) {
            break;
        }
    }
    return given;
}

/* A value as it is compared: there is more than one way to say yes. */
static const char *value_of(const struct ptl_given *given)
{
    struct ptl_options options = {0};
    char why[PTL_WHY_MAX];

    if (!given->option->is_yes_no) {
        return given->text;
    }
    (void)given->option->take(given->option, given->text, &options, why);
    return *(bool *)((char *)&options + given->option->place) ? "yes" : "no";
}

bool ptl_config_is_same(const struct ptl_settings *one, const struct ptl_settings *two,
                        const struct ptl_option *option)
{
    const struct ptl_given *left = next_shown(one, option, NULL);
    const struct ptl_given *right = next_shown(two, option, NULL);

    while (left && right && strcmp(value_of(left), value_of(right)) == 0) {
        left = next_shown(one, option, left);
        right = next_shown(two, option, right);
    }
    return !left && !right;
}

/* ---- Printing ------------------------------------------------------------------------------ */

/* The comment stands above where both were too long for one line of a configuration. */
static bool print_line(FILE *file, const char *shown, const char *where)
{
    size_t size = strlen(shown) < COLUMN ? COLUMN : strlen(shown);

    if (size + 3 + strlen(where) > PTL_CONFIG_LINE_MAX) {
        bool fits = 2 + strlen(where) <= PTL_CONFIG_LINE_MAX;
        return fprintf(file, "%s%s%s%s\n", fits ? "; " : "", fits ? where : "", fits ? "\n" : "",
                       shown) >= 0;
    }
    return fprintf(file, "%-*s ; %s\n", COLUMN, shown, where) >= 0;
}

static bool print_given(const struct ptl_settings *settings, const struct ptl_given *given,
                        FILE *file)
{
    char shown[SHOWN_MAX];
    char where[PTL_WHERE_MAX];

    if (given->option->is_secret) {
        snprintf(shown, sizeof shown, "; %s = ****", given->option->name);
    } else {
        snprintf(shown, sizeof shown, "%s = %s", given->option->name, value_of(given));
    }
    ptl_settings_where(settings, given, where);
    return print_line(file, shown, where);
}

static bool print_otherwise(const struct ptl_option *option, FILE *file)
{
    char shown[SHOWN_MAX];
    char where[PTL_WHERE_MAX];

    snprintf(shown, sizeof shown, "; %s =", option->name);
    snprintf(where, sizeof where, "default: %s", option->otherwise);
    return print_line(file, shown, where);
}

static bool print_option(const struct ptl_settings *settings, const struct ptl_option *option,
                         FILE *file)
{
    const struct ptl_given *given = next_shown(settings, option, NULL);
    bool good = given || print_otherwise(option, file);

    for (; good && given; given = next_shown(settings, option, given)) {
        good = print_given(settings, given, file);
    }
    return good;
}

bool ptl_config_print(const struct ptl_settings *settings, FILE *file)
{
    bool good = true;

    for (size_t i = 0; good && i < ptl_option_count; i++) {
        if (ptl_option_is_key(&ptl_option_table[i])) {
            good = print_option(settings, &ptl_option_table[i], file);
        }
    }
    return good;
}

/* ---- Digest -------------------------------------------------------------------------------- */

static bool add_text(wc_Sha256 *sha, const char *text)
{
    return wc_Sha256Update(sha, (const byte *)text, (word32)strlen(text)) == 0;
}

static bool add_all(wc_Sha256 *sha, const struct ptl_settings *settings)
{
    bool good = true;

    for (size_t i = 0; i < ptl_option_count; i++) {
        const struct ptl_option *option = &ptl_option_table[i];
        const struct ptl_given *given = next_shown(settings, option, NULL);
        for (; good && given && ptl_option_is_key(option) && !option->is_secret;
             given = next_shown(settings, option, given)) {
            good = add_text(sha, option->name) && add_text(sha, " = ") &&
                   add_text(sha, value_of(given)) && add_text(sha, "\n");
        }
    }
    return good;
}

bool ptl_config_digest(const struct ptl_settings *settings, char text[PTL_DIGEST_TEXT_SIZE])
{
    byte digest[WC_SHA256_DIGEST_SIZE];
    wc_Sha256 sha;

    if (wc_InitSha256(&sha) != 0) {
        return false;
    }
    bool good = add_all(&sha, settings) && wc_Sha256Final(&sha, digest) == 0;
    wc_Sha256Free(&sha);
    size_t used = (size_t)snprintf(text, PTL_DIGEST_TEXT_SIZE, "sha256:");
    for (size_t i = 0; good && i < sizeof digest; i++) {
        used += (size_t)snprintf(text + used, PTL_DIGEST_TEXT_SIZE - used, "%02x", digest[i]);
    }
    return good;
}
