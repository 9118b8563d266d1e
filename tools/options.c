#include "tools/command.h"

#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum option_code {
    CODE_ARGUMENT = 1, /* getopt's own, for what is no option */
    CODE_ALL = 256,
    CODE_ANNOUNCE,
    CODE_BIND,
    CODE_COUNT,
    CODE_FRAMING,
    CODE_HOLD,
    CODE_JSON,
    CODE_LOG,
    CODE_MAX_MESSAGE,
    CODE_MAX_SPAWNED,
    CODE_NO_GLOBAL,
    CODE_NODE,
    CODE_POLL_US,
    CODE_PREFIX,
    CODE_SECRET,
    CODE_SECRET_FILE,
    CODE_SEED,
    CODE_SERVICE,
    CODE_SHARDS,
    CODE_SILENCE_MS,
    CODE_STOP_SECONDS,
    CODE_TIMEOUT,
};

static const struct option long_options[] = {
    {"all", no_argument, NULL, CODE_ALL},
    {"announce", required_argument, NULL, CODE_ANNOUNCE},
    {"bind", required_argument, NULL, CODE_BIND},
    {"count", required_argument, NULL, CODE_COUNT},
    {"framing", required_argument, NULL, CODE_FRAMING},
    {"help", no_argument, NULL, 'h'},
    {"hold", no_argument, NULL, CODE_HOLD},
    {"json", no_argument, NULL, CODE_JSON},
    {"log", required_argument, NULL, CODE_LOG},
    {"max-message", required_argument, NULL, CODE_MAX_MESSAGE},
    {"max-spawned", required_argument, NULL, CODE_MAX_SPAWNED},
    {"no-global", no_argument, NULL, CODE_NO_GLOBAL},
    {"node", required_argument, NULL, CODE_NODE},
    {"poll-us", required_argument, NULL, CODE_POLL_US},
    {"prefix", required_argument, NULL, CODE_PREFIX},
    {"secret", required_argument, NULL, CODE_SECRET},
    {"secret-file", required_argument, NULL, CODE_SECRET_FILE},
    {"seed", required_argument, NULL, CODE_SEED},
    {"service", required_argument, NULL, CODE_SERVICE},
    {"shards", required_argument, NULL, CODE_SHARDS},
    {"silence-ms", required_argument, NULL, CODE_SILENCE_MS},
    {"stop-seconds", required_argument, NULL, CODE_STOP_SECONDS},
    {"timeout", required_argument, NULL, CODE_TIMEOUT},
    {"version", no_argument, NULL, 'V'},
    {NULL, 0, NULL, 0},
};

/* Which options which command takes, by name, between blanks; a command may be of two words. */
#define CLIENT_OPTIONS " framing log node secret secret-file seed silence-ms timeout "
static const struct {
    const char *command;
    const char *options;
} accepted[] = {
    {"run", " announce bind framing log max-message max-spawned no-global node poll-us secret "
            "secret-file seed service shards silence-ms stop-seconds "},
    {"snd", CLIENT_OPTIONS},
    {"cal", CLIENT_OPTIONS},
    {"mon", CLIENT_OPTIONS},
    {"spawn", CLIENT_OPTIONS},
    {"db set", CLIENT_OPTIONS "hold "},
    {"db del", CLIENT_OPTIONS},
    {"db get", CLIENT_OPTIONS},
    {"db keys", CLIENT_OPTIONS},
    {"db values", CLIENT_OPTIONS},
    {"db family", CLIENT_OPTIONS},
    {"db watch", CLIENT_OPTIONS "count prefix "},
    {"db", CLIENT_OPTIONS},
    {"nodes", CLIENT_OPTIONS "all json "},
    {"trace", CLIENT_OPTIONS},
    {"bench", CLIENT_OPTIONS "json max-message poll-us shards "},
    {"gensecret", " "},
    {"send", CLIENT_OPTIONS},
    {"call", CLIENT_OPTIONS},
    {"monitor", CLIENT_OPTIONS},
};

/* The command's options, or NULL: an unknown command is complained of elsewhere. */
static const char *options_of(const char *command)
{
    for (size_t i = 0; i < sizeof accepted / sizeof accepted[0]; i++) {
        if (strcmp(accepted[i].command, command) == 0) {
            return accepted[i].options;
        }
    }
    return NULL;
}

static int check_accepted(const char *command, const char *argument, const char *option)
{
    char both[16] = "";
    char word[16];

    snprintf(both, sizeof both, "%s %s", command, argument ? argument : "");
    snprintf(word, sizeof word, " %s ", option);
    if (options_of(both)) {
        command = both;
    }
    const char *options = options_of(command);
    return !options || strstr(options, word)
               ? PTL_EXIT_OK
               : ptl_complain(PTL_EXIT_USAGE, "'%s' takes no --%s: see portolan --help", command,
                              option);
}

static int add(struct ptl_list *list, const char *option, const char *item)
{
    if (list->count == PTL_LIST_MAX) {
        return ptl_complain(PTL_EXIT_USAGE, "--%s is given more than %d times", option,
                            PTL_LIST_MAX);
    }
    list->items[list->count++] = item;
    return PTL_EXIT_OK;
}

static int take_whole(const char *option, const char *text, uint64_t least, uint64_t most,
                      uint64_t *value)
{
    char *end;

    errno = 0;
    *value = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || *value < least ||
        *value > most) {
        return ptl_complain(PTL_EXIT_USAGE, "--%s takes a whole number from %llu to %llu, not '%s'",
                            option, (unsigned long long)least, (unsigned long long)most, text);
    }
    return PTL_EXIT_OK;
}

static int take_seconds(const char *option, const char *text, unsigned *milliseconds)
{
    char *end;
    double seconds = strtod(text, &end);

    if (end == text || *end != '\0' || !(seconds >= 0.001 && seconds <= 1e6)) {
        return ptl_complain(PTL_EXIT_USAGE, "--%s takes seconds, say 2.5, up to 1000000, not '%s'",
                            option, text);
    }
    *milliseconds = (unsigned)(seconds * 1000);
    return PTL_EXIT_OK;
}

static int take_number(struct ptl_options *options, int code, const char *name)
{
    uint64_t number = 0;
    int err = PTL_EXIT_OK;

    switch (code) {
    case CODE_COUNT:
        err = take_whole(name, optarg, 1, UINT64_MAX, &options->count);
        break;
    case CODE_MAX_MESSAGE:
        err = take_whole(name, optarg, 1024, (uint64_t)1 << 30, &number);
        options->message_bytes_max = (size_t)number;
        break;
    case CODE_MAX_SPAWNED:
        err = take_whole(name, optarg, 1, 100000000, &number);
        options->spawned_max = (unsigned)number;
        break;
    case CODE_POLL_US:
        err = take_whole(name, optarg, 0, 1000000, &number);
        options->poll_us = (unsigned)number;
        break;
    case CODE_SHARDS:
        err = take_whole(name, optarg, 1, 64, &number);
        options->shards = (unsigned)number;
        break;
    case CODE_SILENCE_MS:
        err = take_whole(name, optarg, 300, 86400000, &number);
        options->silence_ms = (unsigned)number;
        break;
    case CODE_STOP_SECONDS:
        err = take_seconds(name, optarg, &options->stop_ms);
        break;
    case CODE_TIMEOUT:
        err = take_seconds(name, optarg, &options->timeout_ms);
        options->probe_ms = options->timeout_ms;
        break;
    }
    return err;
}

static int take_option(struct ptl_options *options, int code, const char *name)
{
    switch (code) {
    case CODE_BIND:
        return add(&options->binds, name, optarg);
    case CODE_SEED:
        return add(&options->seeds, name, optarg);
    case CODE_ANNOUNCE:
        return add(&options->announces, name, optarg);
    case CODE_SERVICE:
        return add(&options->services, name, optarg);
    case CODE_ALL:
        options->all = true;
        break;
    case CODE_HOLD:
        options->hold = true;
        break;
    case CODE_JSON:
        options->json = true;
        break;
    case CODE_NO_GLOBAL:
        options->ordinary = true;
        break;
    case CODE_FRAMING:
        options->framings = optarg;
        break;
    case CODE_LOG:
        options->log = optarg;
        break;
    case CODE_NODE:
        options->node = optarg;
        break;
    case CODE_PREFIX:
        options->prefix = optarg;
        break;
    case CODE_SECRET:
        options->secret = optarg;
        break;
    case CODE_SECRET_FILE:
        options->secret_file = optarg;
        break;
    default:
        return take_number(options, code, name);
    }
    return PTL_EXIT_OK;
}

static bool is_word_of(const char *word, size_t size, const char *const words[])
{
    for (size_t i = 0; words[i]; i++) {
        if (strlen(words[i]) == size && memcmp(words[i], word, size) == 0) {
            return true;
        }
    }
    return false;
}

static int check_framings(const char *list)
{
    static const char *const known[] = {"cbor", "json", "portolan", NULL};

    for (const char *word = list;; word++) {
        size_t size = strcspn(word, ",");
        /* Our own is the first, or not there. */
        if (!is_word_of(word, size, known) || (word[0] == 'p' && word != list)) {
            return ptl_complain(PTL_EXIT_USAGE,
                                "--framing takes cbor, json, and before these portolan, with "
                                "commas between them, not '%s'",
                                list);
        }
        word += size;
        if (*word == '\0') {
            return PTL_EXIT_OK;
        }
    }
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

int ptl_options_address(const char *name, const char *text)
{
    return is_address(text)
               ? PTL_EXIT_OK
               : ptl_complain(PTL_EXIT_USAGE,
                              "%s takes HOST:PORT, say 127.0.0.1:4040, [::1]:4040 or, for every "
                              "address of this host, 0.0.0.0:4040, not '%s'",
                              name, text);
}

static int check_addresses(const char *name, const struct ptl_list *list)
{
    int code = PTL_EXIT_OK;

    for (size_t i = 0; code == PTL_EXIT_OK && i < list->count; i++) {
        code = ptl_options_address(name, list->items[i]);
    }
    return code;
}

/* Others are to connect there, so "any port" and "every address" mean nothing. */
static int check_announces(const struct ptl_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        const char *text = list->items[i];
        if (atoi(strrchr(text, ':') + 1) == 0 || strncmp(text, "0.0.0.0:", 8) == 0 ||
            strncmp(text, "[::]:", 5) == 0) {
            return ptl_complain(PTL_EXIT_USAGE,
                                "--announce takes an address that others connect to, not '%s'",
                                text);
        }
    }
    return PTL_EXIT_OK;
}

/* What can be judged without looking at the world. */
static int check(const struct ptl_options *options)
{
    static const char *const levels[] = {"error", "warn", "info", "debug", NULL};

    if (options->secret && options->secret_file) {
        return ptl_complain(PTL_EXIT_USAGE, "--secret and --secret-file are given: choose one");
    }
    if (options->log && !is_word_of(options->log, strlen(options->log), levels)) {
        return ptl_complain(PTL_EXIT_USAGE, "--log takes error, warn, info or debug, not '%s'",
                            options->log);
    }
    int code = check_addresses("--bind", &options->binds);
    if (code == PTL_EXIT_OK) {
        code = check_addresses("--seed", &options->seeds);
    }
    if (code == PTL_EXIT_OK) {
        code = check_addresses("--announce", &options->announces);
    }
    if (code == PTL_EXIT_OK) {
        code = check_announces(&options->announces);
    }
    if (code == PTL_EXIT_OK && options->framings) {
        code = check_framings(options->framings);
    }
    return code;
}

/* Does the text at hand go to a port, though it begins with a minus? */
static bool is_negative_number(const char *text)
{
    return text && text[0] == '-' && isdigit((unsigned char)text[1]);
}

static int complain_of(const char *word, int code)
{
    if (code == ':') {
        return ptl_complain(PTL_EXIT_USAGE, "%s needs a value: see portolan --help", word);
    }
    return ptl_complain(PTL_EXIT_USAGE, "there is no option %s: see portolan --help", word);
}

static void take_argument(struct ptl_options *options, char *argument)
{
    if (!options->command) {
        options->command = argument;
    } else {
        options->arguments[options->argument_count++] = argument;
    }
}

/* Every argument and option in order; leaves defaults and checks to others. */
static int take_all(int argc, char **argv, struct ptl_options *options)
{
    const char *given[sizeof long_options / sizeof long_options[0]] = {NULL};
    int index = 0;

    optind = 1;
    while (optind < argc) {
        if (is_negative_number(argv[optind])) {
            take_argument(options, argv[optind++]);
            continue;
        }
        char *word = argv[optind];
        int code = getopt_long(argc, argv, "-:hV", long_options, &index);
        if (code == -1) {
            break; /* "--" */
        }
        if (code == '?' || code == ':') {
            return complain_of(word, code);
        }
        if (code == CODE_ARGUMENT) {
            take_argument(options, optarg);
        } else if (code == 'h') {
            options->help = true;
        } else if (code == 'V') {
            options->version = true;
        } else {
            given[index] = long_options[index].name;
            int err = take_option(options, code, long_options[index].name);
            if (err != PTL_EXIT_OK) {
                return err;
            }
        }
    }
    while (optind < argc) {
        take_argument(options, argv[optind++]);
    }
    int err = PTL_EXIT_OK;
    for (size_t i = 0; err == PTL_EXIT_OK && i < sizeof given / sizeof given[0]; i++) {
        if (options->command && given[i]) {
            err = check_accepted(options->command,
                                 options->argument_count > 0 ? options->arguments[0] : NULL,
                                 given[i]);
        }
    }
    return err;
}

int ptl_options_parse(int argc, char **argv, struct ptl_options *options)
{
    *options = (struct ptl_options){.timeout_ms = 10000, .probe_ms = 2000, .stop_ms = 5000};
    /* Arguments are gathered at the front of argv, where what was there has been read already. */
    options->arguments = argv;
    int err = take_all(argc, argv, options);
    return err == PTL_EXIT_OK ? check(options) : err;
}
