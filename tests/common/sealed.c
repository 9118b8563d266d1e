#include "tests/common/sealed.h"

#include "tests/common/tls_world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *pem(const char *name)
{
    return (const char *)tls_file(name).bytes;
}

static const char *asked_for(void)
{
    return getenv("PTL_SEALED");
}

bool sealed_is_asked_for(void)
{
    return asked_for() != NULL;
}

void sealed_skip_secrets(void)
{
    if (sealed_is_asked_for()) {
        skip();
    }
}

void sealed_dress(struct ptl_node_options *options)
{
    const char *how = asked_for();

    if (how == NULL || options->tls != PTL_TLS_IF_GIVEN || options->tls_pair != NULL ||
        options->tls_cert != NULL) {
        return;
    }
    if (strncmp(how, "pair-", 5) == 0) {
        options->tls_pair = pem("pair-a.pem");
    } else {
        assert_true(strncmp(how, "authority-", 10) == 0);
        options->tls_cert = pem("rain.pem");
        options->tls_key = pem("rain.key");
        options->tls_ca = pem("harbour.pem");
    }
    options->tls_version_max = (unsigned)atoi(strchr(how, '-') + 1);
}
