#include "engine/directory/addresses.h"

#include "engine/directory/key.h"
#include "engine/message/message.h"
#include "io/address.h"

/* Of a node's addresses in the database so many are tried. */
#define ADDRESSES_MAX 16

/*
 * From the database, where anybody may have put anything: what is no address is left out, and false
 * says so. A list is written with commas, so an address with one of its own would be two.
 */
bool ptl_addresses_list(struct ptl_buffer *out, struct ptl_span array)
{
    struct ptl_cursor cursor = ptl_cursor_of(array);
    uint8_t room[PTL_KEY_ROOM];
    struct ptl_value head;
    struct ptl_span text;
    struct ptl_host host;
    char address[PTL_HOST_TEXT_MAX + 8];
    bool all = true;

    if (ptl_next(&cursor, &head) < 0 || head.type != PTL_ARRAY) {
        return head.type == PTL_NULL;
    }
    for (uint32_t i = 0; i < head.count && i < ADDRESSES_MAX; i++) {
        int err = ptl_key_next(&cursor, room, &text);
        if (err < 0 || text.size >= sizeof(address)) {
            all = false;
            continue;
        }
        memcpy(address, text.bytes, text.size);
        address[text.size] = 0;
        if (memchr(address, ',', text.size) != NULL || ptl_host_parse(address, &host) < 0) {
            all = false;
            continue;
        }
        ptl_buffer_append(out, text.bytes, text.size);
        ptl_buffer_byte(out, ',');
    }
    return all;
}
