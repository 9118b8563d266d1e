#include "tools/http/page.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

static bool has_it(struct MHD_Connection *connection)
{
    const char *tags =
        MHD_lookup_connection_value(connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);

    return tags && strstr(tags, ptl_page_tag);
}

enum MHD_Result ptl_http_page(struct MHD_Connection *connection)
{
    bool is_known = has_it(connection);
    struct MHD_Response *response = MHD_create_response_from_buffer(
        is_known ? 0 : ptl_page_size, (void *)(uintptr_t)ptl_page_bytes, MHD_RESPMEM_PERSISTENT);

    if (!response) {
        return MHD_NO;
    }
    MHD_add_response_header(response, "Content-Type", "text/html; charset=utf-8");
    MHD_add_response_header(response, "Content-Security-Policy", ptl_page_policy);
    MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
    MHD_add_response_header(response, "X-Frame-Options", "DENY");
    MHD_add_response_header(response, "Referrer-Policy", "no-referrer");
    MHD_add_response_header(response, "Cache-Control", "no-cache");
    MHD_add_response_header(response, "ETag", ptl_page_tag);
    MHD_add_response_header(response, "Connection", "close");
    enum MHD_Result result =
        MHD_queue_response(connection, is_known ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, response);
    MHD_destroy_response(response);
    return result;
}
