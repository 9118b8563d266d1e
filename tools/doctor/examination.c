#include "tools/doctor/examination.h"

struct ptl_node_options ptl_examined_options(const struct ptl_examination *examination,
                                             struct ptl_journal *journal)
{
    const struct ptl_options *options = examination->options;
    struct ptl_node_options node_options =
        ptl_common_options(options, examination->id, &examination->secret, journal);

    node_options.binds = options->binds.items;
    node_options.seeds = options->seeds.items;
    node_options.announces = options->announces.count > 0 ? options->announces.items : NULL;
    node_options.ordinary = options->ordinary;
    return node_options;
}

int ptl_examine_quietly(int (*call)(struct ptl_examination *examination),
                        struct ptl_examination *examination, char complaint[PTL_JOURNAL_LINE_MAX])
{
    struct ptl_journal journal;

    ptl_journal_init(&journal, NULL);
    ptl_complain_to(&journal);
    int code = call(examination);
    ptl_complain_to(NULL);
    ptl_journal_held(&journal, "", complaint);
    ptl_journal_close(&journal);
    return code;
}
