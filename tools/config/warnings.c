#include "tools/config/warnings.h"

#include "tools/option_values.h"
#include "tools/secret.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NEARLY_MAX 2 /* letters that a variable may differ by from the one that was meant */

struct warner {
    const struct ptl_options *options;
    ptl_warn_fn *warn;
    void *data;
};

__attribute__((format(printf, 2, 3))) static void warn(const struct warner *warner,
                                                       const char *format, ...)
{
    char warning[PTL_WARNING_MAX];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(warning, sizeof warning, format, arguments);
    va_end(arguments);
    warner->warn(warner->data, warning);
}

/* root may let a service's group read what it owns. */
static bool is_open_to_others(const struct ptl_settings *settings)
{
    mode_t bits = settings->file_mode & 0777;

    return S_ISREG(settings->file_mode) && (bits & 077) != 0 &&
           !(settings->file_owner == 0 && (bits & 037) == 0);
}

/* A secret that does not count is a secret all the same. */
static void warn_of_readers(const struct warner *warner)
{
    const struct ptl_settings *settings = warner->options->settings;

    for (const struct ptl_given *given = settings->givens; given; given = given->next) {
        if (given->option->is_secret && given->line > 0 && is_open_to_others(settings)) {
            warn(warner,
                 "%s:%u: the secret stands in a file that others can read or write (mode %04o): "
                 "type 'chmod 600 %s', and change the secret if others may have read it",
                 settings->file, given->line, (unsigned)settings->file_mode & 07777,
                 settings->file);
            return;
        }
    }
}

/* Neither is any other node's, so nobody will be let in. */
static void warn_of_no_secret(const struct warner *warner)
{
    const struct ptl_options *options = warner->options;

    const char *key;
    const char *address = ptl_open_address(options, &key);

    if (address && ptl_secret_is_own(options)) {
        warn(warner,
             "no secret is given, and %s = %s is open to other machines: the node would take "
             "its user's own, which no other node has; give secret-file or secret",
             key, address);
    }
}

static void warn_of_flag(const struct warner *warner)
{
    if (ptl_settings_text(warner->options->settings, "secret", PTL_LAYER_FLAG)) {
        warn(warner, "--secret shows in `ps` to everybody: give --secret-file");
    }
}

/* Whether a variable is none of an option and like one, `known`. */
static bool is_nearly(const char *name, char known[PTL_VARIABLE_MAX])
{
    size_t least = NEARLY_MAX + 1;
    const struct ptl_option *like = NULL;

    for (size_t i = 0; i < ptl_option_count; i++) {
        ptl_option_variable(&ptl_option_table[i], known);
        size_t distance = ptl_word_distance(name, known, least);
        /* Half of a short name is not nearly that name. */
        if ((ptl_option_table[i].of & PTL_OF_RUN) && distance < least &&
            2 * distance < strlen(ptl_option_table[i].name)) {
            least = distance;
            like = &ptl_option_table[i];
        }
    }
    if (like) {
        ptl_option_variable(like, known);
    }
    return like && least > 0;
}

/* A variable is no mistake that happens to begin like ours: containers are given such ones.  One
 * that is nearly an option's is meant for it. */
static void warn_of_variables(const struct warner *warner)
{
    for (char **variable = environ; variable && *variable; variable++) {
        char name[PTL_VARIABLE_MAX];
        char known[PTL_VARIABLE_MAX];
        size_t size = strcspn(*variable, "=");
        if (strncmp(*variable, "PORTOLAN_", 9) == 0 && size < sizeof name) {
            memcpy(name, *variable, size);
            name[size] = '\0';
            if (is_nearly(name, known)) {
                warn(warner, "%s is no option's variable: is it %s?", name, known);
            }
        }
    }
}

void ptl_config_warn(const struct ptl_options *options, ptl_warn_fn *tell, void *data)
{
    const struct warner warner = {.options = options, .warn = tell, .data = data};

    warn_of_readers(&warner);
    warn_of_no_secret(&warner);
    warn_of_flag(&warner);
    warn_of_variables(&warner);
}
