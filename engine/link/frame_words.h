/*
 * engine/link/frame_words.h - which requests to the node port have a frame of their own.
 *
 * Thread: any.  Spec: docs/wire.md, "Requests" and "Frames of a flow".
 */
#pragma once

#include "engine/link/frame.h"

/* The kind of frame for the request of this word; PTL_FRAME_MESSAGE: it has none of its own. */
enum ptl_frame_kind ptl_frame_of_word(struct ptl_span word);

/* The word of that kind; empty: it is no request, or of a later version. */
struct ptl_span ptl_frame_word(unsigned kind);
