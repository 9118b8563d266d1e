#include "tests/cuts/cuts.h"

#include <stdio.h>
#include <stdlib.h>

#define NEXT_MS 2 /* from a mortal's death to the next one's birth */

/* A port that makes mortals, one after the other. */
struct cuts_maker {
    struct cuts_stage *stage;
    struct ptl_port self;
    struct ptl_port watcher; /* of its mortals */
    int64_t serial;
    bool far; /* the watcher is the other node's: a cut may come between */
};

struct mortal {
    struct cuts_maker *maker;
    struct ptl_port self;
    int64_t serial;
    int64_t words; /* sent so far */
    bool bound;    /* it dies with its watcher */
};

/* A watcher's knowledge of one mortal. */
struct vigil {
    struct cuts_stage *stage;
    struct ptl_port mortal;
    int64_t words; /* heard so far */
    bool over;     /* the monitor has fired */
    struct cuts_entry *entry;
    struct vigil *next;
};

/* A watcher's port; its shard's. */
struct watch_post {
    struct cuts_stage *stage;
    struct vigil *vigils;
};

static struct watch_post posts[CUTS_SHARDS_MAX];

/* ---- Watchers ------------------------------------------------------------------------------- */

static struct vigil *find_vigil(struct watch_post *post, const struct ptl_port *mortal)
{
    struct vigil *vigil = post->vigils;

    while (vigil != NULL && !ptl_port_equal(&vigil->mortal, mortal)) {
        vigil = vigil->next;
    }
    return vigil;
}

/* Nothing of a port that is gone may arrive later, so what is over and done can be forgotten. */
static void forget_old(struct watch_post *post)
{
    unsigned over = 0;

    for (struct vigil **at = &post->vigils; *at != NULL;) {
        struct vigil *vigil = *at;
        if (vigil->over && ++over > 16) {
            *at = vigil->next;
            free(vigil);
        } else {
            at = &vigil->next;
        }
    }
}

static int on_death(struct ptl_node *node, const struct ptl_port *port,
                    const struct ptl_msg *reason, void *data)
{
    struct vigil *vigil = data;

    (void)node;
    (void)port;
    cuts_entry_fired(vigil->entry);
    vigil->over = true;
    if (ptl_msg_count(reason) == 0 || ptl_msg_is(reason, "die")) {
        if (vigil->words != CUTS_WORDS) {
            cuts_fail("%s is gone, and only %lld of its last words have come",
                      ptl_port_id(&vigil->mortal), (long long)vigil->words);
        }
        atomic_fetch_add(&vigil->stage->deaths, 1);
    }
    return 0;
}

static int take_watch(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct watch_post *post = data;
    struct ptl_port mortal;

    cuts_must(ptl_msg_read(node, msg, "*p", &mortal), "a mortal's request");
    struct vigil *vigil = find_vigil(post, &mortal);
    if (vigil == NULL) {
        vigil = calloc(1, sizeof(*vigil));
        if (vigil == NULL) {
            return PTL_ENOMEM;
        }
        *vigil = (struct vigil){.stage = post->stage,
                                .mortal = mortal,
                                .entry = cuts_entry_new(),
                                .next = post->vigils};
        int err = ptl_monitor(node, &mortal, on_death, vigil, NULL);
        if (err < 0) {
            cuts_entry_taken_back(vigil->entry);
            free(vigil);
            return err == PTL_EFULL ? PTL_LATER : err;
        }
        post->vigils = vigil;
        forget_old(post);
    }
    int err = ptl_sendf(node, &mortal, "t", "go");
    return err == PTL_EFULL ? PTL_LATER : err;
}

static int take_word(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct ptl_port mortal;
    int64_t number;

    cuts_must(ptl_msg_read(node, msg, "*pi", &mortal, &number), "a mortal's word");
    struct vigil *vigil = find_vigil(data, &mortal);
    if (vigil == NULL || vigil->over) {
        /* Told of a cut: then words of the new link may come.  A death it was not, or this is
         * what on_death() has ended the process for. */
        return PTL_OK;
    }
    if (number != ++vigil->words) {
        cuts_fail("word %lld of %s came where word %lld was due", (long long)number,
                  ptl_port_id(&mortal), (long long)vigil->words);
    }
    return PTL_OK;
}

void cuts_watchers_make(struct cuts_stage *stage)
{
    for (unsigned i = 0; i < stage->shards; i++) {
        posts[i].stage = stage;
        stage->watchers[i] = cuts_port(stage, i, NULL, NULL, NULL);
        struct ptl_port *port = &stage->watchers[i];
        cuts_must(ptl_port_on(stage->node, port, "watch", take_watch, &posts[i]), "a watcher");
        cuts_must(ptl_port_on(stage->node, port, "word", take_word, &posts[i]), "a watcher");
    }
}

/* ---- Mortals -------------------------------------------------------------------------------- */

static int mortal_birth(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct mortal *mortal = data;
    int err = PTL_OK;

    (void)msg;
    if (!mortal->bound) {
        err = ptl_monitor_kill(node, &mortal->maker->watcher, &mortal->self, NULL);
        mortal->bound = err == PTL_OK;
    }
    if (err == PTL_OK) {
        err = ptl_sendf(node, &mortal->maker->watcher, "tp", "watch", &mortal->self);
    }
    return err == PTL_EFULL ? PTL_LATER : err;
}

static int mortal_go(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    struct mortal *mortal = data;

    (void)msg;
    while (mortal->words < CUTS_WORDS) {
        int err = ptl_sendf(node, &mortal->maker->watcher, "tpi", "word", &mortal->self,
                            mortal->words + 1);
        if (err < 0) {
            return err == PTL_EFULL ? PTL_LATER : err;
        }
        mortal->words++;
    }
    if (mortal->serial % 2 == 0) {
        return ptl_fail(node, "all is said");
    }
    int err = ptl_kill(node, &mortal->self, NULL);
    return err == PTL_EFULL ? PTL_LATER : err;
}

static void free_mortal(void *data)
{
    free(data);
}

/* ---- Makers --------------------------------------------------------------------------------- */

static int make_next(struct ptl_node *node, void *data);

struct grave {
    struct cuts_maker *maker;
    struct cuts_entry *entry;
};

static int mortal_gone(struct ptl_node *node, const struct ptl_port *port,
                       const struct ptl_msg *reason, void *data)
{
    struct grave *grave = data;
    struct cuts_maker *maker = grave->maker;

    (void)port;
    (void)reason;
    cuts_entry_fired(grave->entry);
    free(grave);
    atomic_fetch_sub(&maker->stage->mortals, 1);
    if (!atomic_load(&maker->stage->ended)) {
        cuts_must(ptl_after(node, NEXT_MS, make_next, maker, NULL), "ptl_after");
    }
    return 0;
}

static int make_next(struct ptl_node *node, void *data)
{
    struct cuts_maker *maker = data;
    struct mortal *mortal = calloc(1, sizeof(*mortal));
    struct grave *grave = calloc(1, sizeof(*grave));

    if (mortal == NULL || grave == NULL) {
        cuts_fail("no memory");
    }
    if (atomic_load(&maker->stage->ended)) {
        free(mortal);
        free(grave);
        return 0;
    }
    *mortal = (struct mortal){.maker = maker, .serial = maker->serial++};
    *grave = (struct grave){.maker = maker, .entry = cuts_entry_new()};
    const struct ptl_port_options options = {
        .size = sizeof(options),
        .data = mortal,
        .release = free_mortal,
    };
    atomic_fetch_add(&maker->stage->mortals, 1);
    cuts_must(ptl_port_new(node, &options, &mortal->self), "a mortal");
    cuts_must(ptl_port_on(node, &mortal->self, "birth", mortal_birth, mortal), "a mortal");
    cuts_must(ptl_port_on(node, &mortal->self, "go", mortal_go, mortal), "a mortal");
    cuts_must(ptl_monitor(node, &mortal->self, mortal_gone, grave, NULL), "a mortal's monitor");
    cuts_must(ptl_sendf(node, &mortal->self, "t", "birth"), "a mortal's birth");
    return 0;
}

static int maker_start(struct ptl_node *node, const struct ptl_msg *msg, void *data)
{
    (void)msg;
    make_next(node, data);
    return PTL_OK;
}

static struct cuts_maker makers[2 * CUTS_SHARDS_MAX];

/* Two makers a shard: the mortals of one are watched there, those of the other here. */
void cuts_makers_start(struct cuts_stage *stage)
{
    for (unsigned i = 0; i < 2 * stage->shards; i++) {
        struct cuts_maker *maker = &makers[i];
        unsigned shard = i % stage->shards, other = (shard + 1) % stage->shards;
        maker->stage = stage;
        maker->far = i < stage->shards;
        maker->watcher = maker->far ? stage->far_watchers[shard] : stage->watchers[other];
        maker->self = cuts_port(stage, shard, NULL, NULL, NULL);
        cuts_must(ptl_port_on(stage->node, &maker->self, "start", maker_start, maker), "a maker");
        cuts_must(ptl_sendf(stage->node, &maker->self, "t", "start"), "a maker's start");
    }
}
