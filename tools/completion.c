/*
 * portolan completion - what a shell asks when somebody presses Tab.
 *
 *   portolan completion bash           the function that a shell reads once
 *   portolan completion words -- ...   the words that may follow, a line each: what it asks then
 *
 * The functions only ask, so that what they offer is what this very command takes.  The last word
 * behind "--" is the one that is completed, and may be empty.  ":file" stands for any file's name.
 */
#include "tools/bench/options.h"
#include "tools/common.h"
#include "tools/options.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- The shells' functions ----------------------------------------------------------------- */

/* bash breaks words at '=' and ':' too, and wants only what stands behind the last of these. */
static const char bash[] =
    "# bash completion of portolan\n"
    "_portolan() {\n"
    "    local line=${COMP_LINE:0:COMP_POINT} words=() word\n"
    "    read -ra words <<<\"$line\"\n"
    "    [[ $line == *[[:space:]] ]] && words+=('')\n"
    "    word=${words[${#words[@]}-1]}\n"
    "    mapfile -t COMPREPLY < <(\"${words[0]}\" completion words -- \"${words[@]:1}\" "
    "2>/dev/null)\n"
    "    if [[ ${COMPREPLY[0]-} == :file ]]; then\n"
    "        compopt -o filenames 2>/dev/null\n"
    "        mapfile -t COMPREPLY < <(compgen -f -- \"${word#--*=}\")\n"
    "    else\n"
    "        COMPREPLY=(\"${COMPREPLY[@]#\"${word%\"${word##*[=:]}\"}\"}\")\n"
    "    fi\n"
    "}\n"
    "complete -F _portolan portolan\n";

static const char zsh[] = "#compdef portolan\n"
                          "# zsh completion of portolan\n"
                          "_portolan() {\n"
                          "    local -a found\n"
                          "    found=(\"${(@f)$($words[1] completion words -- "
                          "\"${(@)words[2,CURRENT]}\" 2>/dev/null)}\")\n"
                          "    if [[ $found[1] == :file ]]; then\n"
                          "        compset -P '--*='\n"
                          "        _files\n"
                          "    elif [[ -n $found[1] ]]; then\n"
                          "        compadd -- $found\n"
                          "    fi\n"
                          "}\n"
                          "if [[ $funcstack[1] == _portolan ]]; then\n"
                          "    _portolan \"$@\"\n"
                          "else\n"
                          "    compdef _portolan portolan\n"
                          "fi\n";

static const char fish[] =
    "# fish completion of portolan\n"
    "function __portolan_words\n"
    "    set -l before (commandline -opc)\n"
    "    set -l word (commandline -ct)\n"
    "    set -l found ($before[1] completion words -- $before[2..] \"$word\" 2>/dev/null)\n"
    "    if test \"$found\" = :file\n"
    "        set -l option (string match -r -- '^--[^=]*=' \"$word\")\n"
    "        __fish_complete_path (string replace -r -- '^--[^=]*=' '' \"$word\") | string replace "
    "-r '^' -- \"$option\"\n"
    "    else\n"
    "        printf '%s\\n' $found\n"
    "    end\n"
    "end\n"
    "complete -c portolan -f -a '(__portolan_words)'\n";

/* ---- What stands before the word ----------------------------------------------------------- */

struct place {
    const char *command;   /* the first word that is no option; NULL: none is there yet */
    const char *argument;  /* the one behind it */
    unsigned arguments;    /* that stand behind the command */
    const char *option;    /* whose value the word is, without its "--"; NULL: none */
    size_t option_size;    /* bytes of its name */
    const char *word;      /* what is completed */
    const char *beginning; /* of the word, before what is completed of it: "--loop=", or "" */
    int beginning_size;
};

/* Does the option take the next word as its value? */
static bool takes_next(const struct place *place, const char *name)
{
    size_t size = strlen(name);
    const struct ptl_option *option = ptl_option_find(name, size);

    if (place->command && strcmp(place->command, "bench") == 0) {
        const char *own;
        bool takes_value;
        for (unsigned i = 0; (own = ptl_bench_option_at(i, &takes_value)) != NULL; i++) {
            if (strcmp(own, name) == 0) {
                return takes_value;
            }
        }
    }
    return option && !option->is_yes_no;
}

static void pass(struct place *place, const char *word)
{
    if (place->option) {
        place->option = NULL; /* this is its value */
    } else if (strncmp(word, "--", 2) == 0) {
        if (takes_next(place, word + 2)) {
            place->option = word + 2;
            place->option_size = strlen(word + 2);
        }
    } else if (!place->command) {
        place->command = word;
    } else if (place->arguments++ == 0) {
        place->argument = word;
    }
}

static struct place find_place(char *const words[], int count)
{
    struct place place = {.word = "", .beginning = ""};

    for (int i = 0; i + 1 < count; i++) {
        pass(&place, words[i]);
    }
    if (count > 0) {
        place.word = words[count - 1];
    }
    const char *equals = strchr(place.word, '=');
    if (!place.option && equals && strncmp(place.word, "--", 2) == 0) {
        place.option = place.word + 2;
        place.option_size = (size_t)(equals - place.option);
        place.beginning = place.word;
        place.beginning_size = (int)(equals + 1 - place.word);
        place.word = equals + 1;
    }
    return place;
}

/* ---- What may stand there ------------------------------------------------------------------ */

static void offer(const struct place *place, const char *before, const char *word, size_t size)
{
    size_t begun = strlen(place->word);
    size_t skipped = strlen(before);

    if (begun <= skipped ? strncmp(before, place->word, begun) == 0
                         : strncmp(before, place->word, skipped) == 0 && begun - skipped <= size &&
                               strncmp(word, place->word + skipped, begun - skipped) == 0) {
        printf("%.*s%s%.*s\n", place->beginning_size, place->beginning, before, (int)size, word);
    }
}

/* "uring|epoll" */
static void offer_words(const struct place *place, const char *words)
{
    while (*words != '\0') {
        size_t size = strcspn(words, "|");
        offer(place, "", words, size);
        words += size + (words[size] == '|');
    }
}

static void offer_values(const struct place *place)
{
    const struct ptl_option *option = ptl_option_find(place->option, place->option_size);

    if (option && option->words) {
        offer_words(place, option->words);
    } else if ((option && (option->is_path || option->is_file)) ||
               (place->option_size == 3 && strncmp(place->option, "hdr", 3) == 0)) {
        puts(":file");
    }
}

static void offer_options(const struct place *place)
{
    unsigned of = 0;
    bool takes_value;
    const char *own;

    if (place->command && ptl_options_of(place->command, place->argument, &of)) {
        for (size_t i = 0; i < ptl_option_count; i++) {
            const char *name = ptl_option_table[i].name;
            if (ptl_option_table[i].of & of) {
                offer(place, "--", name, strlen(name));
            }
        }
    }
    if (place->command && strcmp(place->command, "bench") == 0) {
        for (unsigned i = 0; (own = ptl_bench_option_at(i, &takes_value)) != NULL; i++) {
            offer(place, "--", own, strlen(own));
        }
    }
    offer_words(place, place->command ? "--help" : "--help|--version");
}

/* Commands, or what may stand behind the first word of those of two. */
static void offer_commands(const struct place *place)
{
    size_t size = place->command ? strlen(place->command) : 0;
    const char *name;

    for (size_t i = 0; (name = ptl_option_command(i)) != NULL; i++) {
        size_t first = strcspn(name, " ");
        if (!place->command && name[first] == '\0') {
            offer(place, "", name, first);
        } else if (place->command && name[first] == ' ' && first == size &&
                   strncmp(name, place->command, size) == 0) {
            offer(place, "", name + first + 1, strlen(name + first + 1));
        }
    }
}

static void offer_arguments(const struct place *place)
{
    const struct ptl_bench_pattern *pattern;

    if (place->arguments == 0) {
        offer_commands(place);
    }
    if (!place->command) {
        return;
    }
    if (place->arguments == 0 && strcmp(place->command, "bench") == 0) {
        for (unsigned i = 0; (pattern = ptl_bench_pattern_at(i)) != NULL; i++) {
            offer(place, "", pattern->name, strlen(pattern->name));
        }
    }
    if (place->arguments == 1 && strcmp(place->argument, "check") == 0) {
        puts(":file"); /* config check, acl check */
    }
}

static void offer_all(const struct place *place)
{
    if (place->option) {
        offer_values(place);
    } else if (place->word[0] == '-') {
        offer_options(place);
    } else {
        offer_arguments(place);
    }
}

int ptl_command_completion(const struct ptl_options *options)
{
    const char *shell = options->argument_count > 0 ? options->arguments[0] : "";
    const char *text = strcmp(shell, "bash") == 0   ? bash
                       : strcmp(shell, "zsh") == 0  ? zsh
                       : strcmp(shell, "fish") == 0 ? fish
                                                    : NULL;

    if (strcmp(shell, "words") == 0) {
        struct place place = find_place(options->arguments + 1, options->argument_count - 1);
        offer_all(&place);
    } else if (text && options->argument_count == 1) {
        fputs(text, stdout);
    } else {
        return ptl_complain_form("completion bash|zsh|fish");
    }
    return fflush(stdout) == 0 && !ferror(stdout)
               ? PTL_EXIT_OK
               : ptl_complain(PTL_EXIT_OTHER, "cannot write: %s", strerror(errno));
}
