#include "tools/options.h"

#include "tools/common.h"
#include "tools/option_values.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define LIKE_MAX 3 /* letters that a word may differ by from the key that was meant */

#define RUN PTL_OF_RUN
#define CLIENT PTL_OF_CLIENT
#define BENCH PTL_OF_BENCH
#define PLACE(field) offsetof(struct ptl_options, field)

const struct ptl_option ptl_option_table[] = {
    {"accept-secret-file", RUN, ptl_take_text, PLACE(accept_secret_file), .otherwise = "none",
     .is_path = true},
    {"all", PTL_OF_NODES, ptl_take_yes_no, PLACE(all), .is_yes_no = true},
    {"announce", RUN, ptl_take_announce, PLACE(announces), .otherwise = "where it listens",
     .is_repeated = true},
    {"bind", RUN, ptl_take_address, PLACE(binds), .usual = PTL_DEFAULT_ADDRESS,
     .is_repeated = true},
    {"ca", PTL_OF_CERT, ptl_take_text, PLACE(ca), .otherwise = "none"},
    {"cert", RUN | CLIENT, ptl_take_text, PLACE(cert), .otherwise = "none", .is_path = true},
    {"config", RUN, ptl_take_text, PLACE(config), .is_file = true, .is_not_in_file = true},
    {"count", PTL_OF_WATCH | PTL_OF_STATS | PTL_OF_TOP, ptl_take_count, PLACE(count), .least = 1,
     .most = UINT64_MAX},
    {"days", PTL_OF_CERT, ptl_take_unsigned, PLACE(days), .least = 1, .most = 36500},
    {"drain-seconds", RUN, ptl_take_seconds, PLACE(drain_ms), .usual = "5"},
    {"every", PTL_OF_STATS | PTL_OF_TOP, ptl_take_seconds, PLACE(every_ms), .otherwise = "once"},
    {"families", PTL_OF_STATS, ptl_take_unsigned, PLACE(families), .least = 0, .most = 1024},
    {"framing", RUN | CLIENT, ptl_take_framings, PLACE(framings), .usual = "portolan,cbor,json",
     .words = "portolan|cbor|json"},
    {"hold", PTL_OF_DB_SET, ptl_take_yes_no, PLACE(hold), .is_yes_no = true},
    {"http", RUN, ptl_take_http, PLACE(http), .otherwise = "not served"},
    {"http-token", RUN, ptl_take_secret, PLACE(http_token), .otherwise = "none", .is_secret = true},
    {"http-token-file", RUN, ptl_take_text, PLACE(http_token_file), .otherwise = "none",
     .is_path = true},
    {"json", PTL_OF_NODES | PTL_OF_STATS | BENCH | PTL_OF_DOCTOR, ptl_take_yes_no, PLACE(json),
     .is_yes_no = true},
    {"links", PTL_OF_STATS, ptl_take_unsigned, PLACE(links), .least = 0, .most = 1024},
    {"log", RUN | CLIENT, ptl_take_word, PLACE(log), .usual = "info",
     .words = "error|warn|info|debug"},
    {"log-format", RUN, ptl_take_word, PLACE(log_format),
     .otherwise = "text, or journal for systemd's", .words = "text|json|journal"},
    {"loop", RUN | CLIENT, ptl_take_word, PLACE(loop), .usual = "auto", .words = "auto|uring|epoll",
     .is_for_clients = true},
    {"max-message", RUN | BENCH, ptl_take_size, PLACE(message_bytes_max), .least = 1024,
     .most = (uint64_t)1 << 30, .usual = "67108864"},
    {"max-monitors", RUN, ptl_take_unsigned, PLACE(monitors_max), .least = 1, .most = 100000000,
     .usual = "1000000"},
    {"max-spawned", RUN, ptl_take_unsigned, PLACE(spawned_max), .least = 1, .most = 100000000,
     .usual = "100000"},
    {"no-global", RUN, ptl_take_yes_no, PLACE(ordinary), .usual = "no", .is_yes_no = true},
    {"node", RUN | CLIENT, ptl_take_node, PLACE(node), .otherwise = "the host's name"},
    {"once", PTL_OF_TOP, ptl_take_yes_no, PLACE(once), .is_yes_no = true},
    {"output", PTL_OF_INIT | PTL_OF_CERT, ptl_take_text, PLACE(output),
     .otherwise = "portolan.conf", .is_file = true},
    {"poll-us", RUN | BENCH, ptl_take_unsigned, PLACE(poll_us), .least = 0, .most = 1000000,
     .usual = "0"},
    {"ports", PTL_OF_STATS, ptl_take_unsigned, PLACE(ports), .least = 0, .most = 1024},
    {"prefix", PTL_OF_WATCH, ptl_take_text, PLACE(prefix), .otherwise = "none"},
    {"profile", RUN, ptl_take_text, PLACE(profile), .is_not_in_file = true},
    {"rules", RUN, ptl_take_text, PLACE(rules), .otherwise = "none", .is_path = true},
    {"secret", RUN | CLIENT, ptl_take_secret, PLACE(secret), .otherwise = "the user's own",
     .choice = "secret", .is_secret = true, .is_for_clients = true},
    {"secret-file", RUN | CLIENT, ptl_take_text, PLACE(secret_file), .otherwise = "the user's own",
     .choice = "secret", .is_path = true, .is_for_clients = true},
    {"seed", RUN | CLIENT, ptl_take_seed, PLACE(seeds), .otherwise = "none", .is_repeated = true,
     .is_for_clients = true},
    {"service", RUN, ptl_take_service, PLACE(services), .otherwise = "none",
     .words = "echo|sink|bench|drain|portolan::echo", .is_repeated = true},
    {"shards", RUN | BENCH, ptl_take_unsigned, PLACE(shards), .least = 1, .most = 64,
     .otherwise = "one a processor"},
    {"silence-ms", RUN | CLIENT, ptl_take_unsigned, PLACE(silence_ms), .least = 300,
     .most = 86400000, .usual = "2000"},
    {"spawn-rate", RUN, ptl_take_unsigned, PLACE(spawn_rate), .least = 1, .most = 100000000,
     .usual = "100000"},
    {"strict", PTL_OF_CHECK | PTL_OF_DOCTOR, ptl_take_yes_no, PLACE(strict), .is_yes_no = true},
    {"timeout", CLIENT, ptl_take_timeout, PLACE(timeout_ms), .otherwise = "10"},
    {"tls", RUN | CLIENT, ptl_take_word, PLACE(tls), .otherwise = "allow, with a certificate",
     .words = "off|allow|require"},
    {"tls-anonymous", RUN, ptl_take_text, PLACE(tls_anonymous), .otherwise = "nobody"},
    {"tls-ca", RUN | CLIENT, ptl_take_text, PLACE(tls_ca), .otherwise = "none", .is_path = true},
    {"tls-cert", RUN | CLIENT, ptl_take_text, PLACE(tls_cert), .otherwise = "none",
     .is_path = true},
    {"tls-crl", RUN | CLIENT, ptl_take_text, PLACE(tls_crl), .otherwise = "none", .is_path = true},
    {"tls-key", RUN | CLIENT, ptl_take_text, PLACE(tls_key), .otherwise = "none", .is_path = true},
    {"tls-verify-node", RUN | CLIENT, ptl_take_yes_no, PLACE(tls_verify_node), .usual = "no",
     .is_yes_no = true},
};

const size_t ptl_option_count = sizeof ptl_option_table / sizeof ptl_option_table[0];

_Static_assert(sizeof ptl_option_table / sizeof ptl_option_table[0] <= PTL_OPTIONS_MAX,
               "settings have a place for each");

/* Which command takes what; those of two words stand before their first word alone. */
static const struct {
    const char *command;
    unsigned of;
} commands[] = {
    {"run", RUN},
    {"config check", RUN | PTL_OF_CHECK},
    {"config", RUN | PTL_OF_CHECK},
    {"doctor", RUN | PTL_OF_DOCTOR},
    {"init", RUN | PTL_OF_INIT},
    {"snd", CLIENT},
    {"cal", CLIENT},
    {"mon", CLIENT},
    {"spawn", CLIENT},
    {"db set", CLIENT | PTL_OF_DB_SET},
    {"db del", CLIENT},
    {"db get", CLIENT},
    {"db keys", CLIENT},
    {"db values", CLIENT},
    {"db family", CLIENT},
    {"db watch", CLIENT | PTL_OF_WATCH},
    {"db", CLIENT},
    {"nodes", CLIENT | PTL_OF_NODES},
    {"trace", CLIENT},
    {"stats", CLIENT | PTL_OF_STATS},
    {"top", CLIENT | PTL_OF_TOP},
    {"drain", CLIENT},
    {"bench", CLIENT | BENCH},
    {"gensecret", 0},
    {"gencert", PTL_OF_CERT},
    {"acl check", 0},
    {"acl", 0},
    {"completion bash", 0},
    {"completion zsh", 0},
    {"completion fish", 0},
    {"completion", 0},
    {"send", CLIENT},
    {"call", CLIENT},
    {"monitor", CLIENT},
};

static bool find_command(const char *command, unsigned *of)
{
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].command, command) == 0) {
            *of = commands[i].of;
            return true;
        }
    }
    return false;
}

bool ptl_options_of(const char *command, const char *argument, unsigned *of)
{
    char both[16]; /* what does not fit is none of two words */

    snprintf(both, sizeof both, "%s %s", command, argument ? argument : "");
    return find_command(both, of) || find_command(command, of);
}

const char *ptl_option_command(size_t index)
{
    return index < sizeof commands / sizeof commands[0] ? commands[index].command : NULL;
}

const struct ptl_option *ptl_option_find(const char *name, size_t size)
{
    for (size_t i = 0; i < ptl_option_count; i++) {
        const struct ptl_option *option = &ptl_option_table[i];
        if (strlen(option->name) == size && memcmp(option->name, name, size) == 0) {
            return option;
        }
    }
    return NULL;
}

bool ptl_option_is_key(const struct ptl_option *option)
{
    return (option->of & RUN) && !option->is_not_in_file;
}

void ptl_option_variable(const struct ptl_option *option, char variable[PTL_VARIABLE_MAX])
{
    int size = snprintf(variable, PTL_VARIABLE_MAX, "PORTOLAN_%s", option->name);

    for (int i = 0; i < size && i < PTL_VARIABLE_MAX - 1; i++) {
        variable[i] = variable[i] == '-' ? '_' : (char)toupper((unsigned char)variable[i]);
    }
}

/* ---- Words that are like another ----------------------------------------------------------- */

static size_t least_of(size_t one, size_t two)
{
    return one < two ? one : two;
}

/* Levenshtein's, row by row. */
size_t ptl_word_distance(const char *one, const char *two, size_t most)
{
    size_t row[PTL_VARIABLE_MAX + 1];
    size_t width = strlen(two);
    size_t height = strlen(one);

    if (width > PTL_VARIABLE_MAX || height > width + most || width > height + most) {
        return most;
    }
    for (size_t x = 0; x <= width; x++) {
        row[x] = x;
    }
    for (size_t y = 1; y <= height; y++) {
        size_t diagonal = row[0];
        row[0] = y;
        for (size_t x = 1; x <= width; x++) {
            size_t changed = diagonal + (one[y - 1] != two[x - 1]);
            diagonal = row[x];
            row[x] = least_of(changed, least_of(row[x], row[x - 1]) + 1);
        }
    }
    return least_of(row[width], most);
}

const char *ptl_option_like(const char *word)
{
    const char *like = NULL;
    size_t least = LIKE_MAX + 1;

    for (size_t i = 0; i < ptl_option_count; i++) {
        const struct ptl_option *option = &ptl_option_table[i];
        size_t distance = ptl_word_distance(word, option->name, LIKE_MAX + 1);
        /* A word of which less than half is left is like nothing. */
        if (ptl_option_is_key(option) && distance < least && 2 * distance <= strlen(option->name)) {
            least = distance;
            like = option->name;
        }
    }
    return like;
}
