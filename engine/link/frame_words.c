#include "engine/link/frame_words.h"

#include "engine/link/peer_room.h"
#include "engine/message/words.h"
#include "engine/port/spawn.h"

/* Sorted by their words. */
static const struct {
    struct ptl_word word;
    uint8_t kind;
} frames[] = {
    {PTL_WORD(PTL_SPAWN_REQUEST), PTL_FRAME_SPAWN},
    {PTL_WORD("can"), 35},
    {PTL_WORD("eval"), 37},
    {PTL_WORD("g_chg1"), 52},
    {PTL_WORD("g_chg2"), 53},
    {PTL_WORD("g_db_family"), 46},
    {PTL_WORD("g_db_keys"), 47},
    {PTL_WORD("g_db_values"), 48},
    {PTL_WORD("g_find"), 44},
    {PTL_WORD("g_found"), 45},
    {PTL_WORD("g_global"), 41},
    {PTL_WORD("g_mon0"), 51},
    {PTL_WORD("g_mon1"), 50},
    {PTL_WORD("g_reply"), 49},
    {PTL_WORD("g_set"), 42},
    {PTL_WORD("g_slave"), 40},
    {PTL_WORD("g_upd"), 43},
    {PTL_WORD("kil1"), PTL_FRAME_KILL},
    {PTL_WORD("portolan::db"), 55},
    {PTL_WORD("portolan::db_again"), 57},
    {PTL_WORD("portolan::db_lost"), 56},
    {PTL_WORD("portolan::db_owner"), 54},
    {PTL_WORD(PTL_REQUEST_FULL), 32},
    {PTL_WORD(PTL_REQUEST_ROOM), 33},
    {PTL_WORD("snd"), 34},
    {PTL_WORD("time"), 36},
};

#define COUNT (sizeof(frames) / sizeof(frames[0]))

enum ptl_frame_kind ptl_frame_of_word(struct ptl_span word)
{
    int index = ptl_words_find(frames, COUNT, sizeof(frames[0]), word);

    return index < 0 ? PTL_FRAME_MESSAGE : (enum ptl_frame_kind)frames[index].kind;
}

struct ptl_span ptl_frame_word(unsigned kind)
{
    for (size_t i = 0; i < COUNT; i++) {
        if (frames[i].kind == kind) {
            return ptl_span(frames[i].word.text, frames[i].word.size);
        }
    }
    return ptl_span("", 0);
}
