#include "engine/link/given_up.h"

#include "io/err.h"

static enum ptl_stats_reason certificate_or_tls(int err)
{
    switch (err) {
    case PTL_ETLS:
    case PTL_ETLSVERSION:
    case PTL_ENOTLS:
    case PTL_EONLYTLS:
        return PTL_REASON_tls;
    case PTL_ENOCERT:
    case PTL_EAUTHORITY:
    case PTL_EEXPIRED:
    case PTL_EEARLY:
    case PTL_EREVOKED:
    case PTL_ENOLIST:
    case PTL_ECERTNAME:
    case PTL_ECERTREFUSED:
        return PTL_REASON_certificate;
    default:
        /* Of the kernel's, that stand above ours. */
        return err > PTL_EFULL ? PTL_REASON_network : PTL_REASON_other;
    }
}

enum ptl_stats_reason ptl_given_up_for(int err)
{
    switch (err) {
    case PTL_EAUTH:
    case PTL_EREFUSED:
    case PTL_ECHANGED:
        return PTL_REASON_secret;
    case PTL_EGREETING:
    case PTL_ELINE:
    case PTL_EVERSION:
    case PTL_EMETHOD:
    case PTL_EFRAMING:
    case PTL_EECHO:
        return PTL_REASON_greeting;
    case PTL_EHANDSHAKE:
        return PTL_REASON_timeout;
    case PTL_EHALFOPEN:
        return PTL_REASON_crowded;
    case PTL_ESELF:
    case PTL_ETWIN:
    case PTL_ERIVAL:
        return PTL_REASON_identity;
    case PTL_EDUPLICATE:
        return PTL_REASON_duplicate;
    case PTL_ECLOSED:
        return PTL_REASON_closed;
    default:
        return certificate_or_tls(err);
    }
}
