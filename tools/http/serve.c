#include "tools/http/serve.h"

#include "tools/http/listen.h"
#include "tools/secret.h"
#include "tools/settings.h"

#include <string.h>

/* As the secret of the network it stands in a file that others cannot read, or in the options. */
static int find_token(const struct ptl_options *options, struct ptl_secret_text *token)
{
    char where[PTL_WHERE_MAX];

    if (options->http_token && options->http_token_file) {
        return ptl_complain(PTL_EXIT_START, "http-token and http-token-file are given: choose one");
    }
    if (options->http_token) {
        token->size = strlen(options->http_token);
        memcpy(token->bytes, options->http_token, token->size);
    }
    if (!options->http_token_file) {
        return PTL_EXIT_OK;
    }
    ptl_settings_line(options->settings, "http-token-file", where);
    int code = ptl_secret_read(options->http_token_file, where, token);
    if (code == PTL_EXIT_OK && memchr(token->bytes, '\0', token->size)) {
        return ptl_complain(PTL_EXIT_START, "%sthe token in %s is no text: nobody could show it",
                            where, options->http_token_file);
    }
    return code;
}

static int complain_of_open(const struct ptl_options *options)
{
    char where[PTL_WHERE_MAX];

    ptl_settings_line(options->settings, "http", where);
    return ptl_complain(PTL_EXIT_START,
                        "%shttp = %s is open to other machines: give it --http-token-file, or "
                        "let it be a port of 127.0.0.1",
                        where, options->http);
}

int ptl_http_judge(const struct ptl_options *options)
{
    struct ptl_secret_text token = {.size = 0};
    bool is_open = strchr(options->http, ':') && !ptl_http_is_loopback(options->http);

    int code = find_token(options, &token);
    if (code == PTL_EXIT_OK && token.size == 0 && is_open) {
        code = complain_of_open(options);
    }
    explicit_bzero(token.bytes, sizeof token.bytes);
    return code;
}

static int start(const struct ptl_options *options, const struct ptl_secret_text *token,
                 struct ptl_node *node, struct ptl_journal *journal, struct ptl_http **http)
{
    char text[PTL_HTTP_TOKEN_MAX + 1] = "";
    char where[PTL_WHERE_MAX];

    memcpy(text, token->bytes, token->size);
    struct ptl_http_options wanted = {.address = options->http, .token = text};
    int err = ptl_http_start(node, journal, &wanted, http);
    explicit_bzero(text, sizeof text);
    ptl_settings_line(options->settings, "http", where);
    if (err == PTL_ESECRET) {
        return complain_of_open(options);
    }
    return err < 0 ? ptl_complain(PTL_EXIT_START, "%scannot serve HTTP at %s: %s", where,
                                  options->http, ptl_err_text(err))
                   : PTL_EXIT_OK;
}

int ptl_http_serve(const struct ptl_options *options, struct ptl_node *node,
                   struct ptl_journal *journal, struct ptl_http **http)
{
    struct ptl_secret_text token = {.size = 0};

    *http = NULL;
    if (!options->http) {
        return PTL_EXIT_OK;
    }
    int code = find_token(options, &token);
    if (code == PTL_EXIT_OK) {
        code = start(options, &token, node, journal, http);
    }
    explicit_bzero(token.bytes, sizeof token.bytes);
    return code;
}
