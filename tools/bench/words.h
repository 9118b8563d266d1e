/*
 * tools/bench/words.h - what the load generator and the service `bench` say to each other.
 *
 *   ["hello", BYTES, REPLYPORT]                 -> ["hello", VERSION, SHARDS, BYTES, HAD BYTES]
 *   ["begin", RUN, OWNER, REPLYPORT]            -> ["ok", ANCHOR]      ends when OWNER is gone
 *   ["open", RUN, WORKER, [STREAM, PORT, ...], REPLYPORT]
 *                                               -> ["ok", [PORT, ...]]    a port a stream
 *   ["counts", RUN, REPLYPORT]        -> ["ok", CPU NS, MESSAGES, BYTES, REORDERED, STRANGE]
 *   ["stall", RUN, NANOSECONDS, REPLYPORT]      -> ["ok"]              one handler sleeps
 *   ["await", RUN, COUNT, REPLYPORT]            -> ["ok"]      once there are COUNT keys
 *   ["end", RUN, REPLYPORT]                     -> ["ok"]
 *
 * BYTES is one byte, PTL_BENCH_BYTE, which comes as text where JSON is spoken: each way of a link
 * has a framing of its own.
 *
 * Anything else, or what cannot be done, is answered ["error", TEXT].  A run is letters and digits
 * that its owner chooses, its family PTL_BENCH_FAMILY and these; WORKER is an enum
 * ptl_bench_worker.
 */
#pragma once

#define PTL_BENCH_SERVICE "bench"
#define PTL_BENCH_MORTAL "bench::mortal"   /* what can be spawned, with [ANCHOR] */
#define PTL_BENCH_WATCHER "bench::watcher" /* so too, with [ANCHOR, FAMILY] */
#define PTL_BENCH_FAMILY "bench_"
#define PTL_BENCH_VERSION 1
#define PTL_BENCH_BYTE "\xff"
#define PTL_BENCH_BATCH 512           /* streams in one "open" */
#define PTL_BENCH_RUNS_MAX 16         /* at one service at once */
#define PTL_BENCH_WORKERS_MAX 2097152 /* of all of them together */
#define PTL_BENCH_STALL_NS_MAX 1000000000LL
#define PTL_BENCH_RUN_NAME_MAX 80 /* bytes */
