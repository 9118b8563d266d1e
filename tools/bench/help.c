#include "tools/bench/help.h"

#include "tools/bench/pattern.h"

#include <stdio.h>

/* In pieces: a compiler need not take one of more than 4095 characters. */
static const char head[] =
    "portolan bench - load a node over the wire, and say how fast and how late it answers\n"
    "\n"
    "  portolan run --service bench ...       the other end, or the same as portolan bench "
    "--server\n"
    "  portolan bench PATTERN [OPTION...]     the load\n"
    "\n"
    "patterns\n";

static const char load_options[] =
    "\n"
    "how much\n"
    "  --in-flight N        closed loop: so many messages are under way, of all ports together\n"
    "                       [one-way, fan-in, fan-out: 8192; others: one a port]; db-set: 2048 "
    "at\n"
    "                       most, at a rate too\n"
    "  --rate R             open loop: R messages a second (5000, 50k, 1.5M), of all ports "
    "together;\n"
    "                       latency counts from the time that a message was due, so that what\n"
    "                       stalls the system shows in every percentile\n"
    "  --arrivals A         with --rate: constant, or poisson           [constant]\n"
    "  --size BYTES         of a message; or a mix by weights, 16:90,1024:9,65536:1   [16]\n"
    "  --ports N            pairs of ports                              [1; verify: 8]\n"
    "  --entries N          db-set, db-watch, join: entries of the database  [1000]\n"
    "  --watchers N         db-watch: watchers of the family at each target, the first of which "
    "is\n"
    "                       the one that tells                          [1]\n"
    "  --hops N             ring: ports that a message goes through     [a port of each target;\n"
    "                                                                   3 of a single one]\n"
    "  --bulk BYTES         mixed: of the large messages                [16777216]\n"
    "  --bulk-in-flight N   mixed: so many of them at once on each link [1]\n"
    "  --links N            nodes of this end, each with its own link   [1]\n"
    "  --shards N           threads of each of them (of the other end: those of its run)  [1]\n"
    "  --warm-up TIME       before anything is measured: 1, 200ms, 1m   [1]\n"
    "  --duration TIME      what is measured                            [10]\n"
    "  --random-seed N      repeats the draws of sizes and arrivals     [1]\n"
    "  --cut-every TIME     verify: a connection is cut with what is under way, 0: none  [1]\n"
    "  --kill-every N       verify: a port there is killed after so many messages, 0: none  [500]\n"
    "  --stall TIME         one handler of the other end sleeps so long, a second at most, to see\n"
    "                       that it shows\n"
    "  --rate-sweep --slo-p99 TIME\n"
    "                       one load after the other, from --rate or 1000 on, until the highest "
    "rate\n"
    "                       is found at which the p99 is within that time\n"
    "to whom\n"
    "  --seed HOST:PORT     the network                                 [as of other commands]\n"
    "  --target NODE        whom to load, may be given several times    [the node at the seed]\n"
    "  --embedded           a node of this process; --embedded=ports: this end is that node too\n"
    "  --node, --secret, --secret-file, --framing, --log, --loop, --max-message, --poll-us,\n"
    "  --cert, --tls and what else begins so\n"
    "                       as of other commands: see portolan --help\n"
    "  --timeout SECONDS    wait so long for an answer, and for the last messages; to be linked 5\n"
    "                       at most                                     [10]\n"
    "what comes of it\n"
    "  --json               one object instead of the summary\n"
    "  --hdr FILE           all percentiles of the latency, as HdrHistogram's plotters read them\n"
    "  --expect-rate R, --expect-p99 TIME\n"
    "                       exit code 7 when the rate is less, or the p99 more\n"
    "\n";

static const char meaning[] =
    "A message of one-way is acknowledged now and then: of every eighth part of what may be under\n"
    "way, of some ten thousand a second of each port with --rate.  Its latency is that of such a\n"
    "message, to its acknowledgement and no less than a round trip.  Messages are numbered; in "
    "those\n"
    "of less than 8 bytes, and with --framing json, the number stands beside the bytes asked for.\n"
    "Of several values that a key of db-watch is given in a row the last need be told, so the "
    "other\n"
    "end does not count them.  An entry of join is a message, and the time until all of them are\n"
    "there is one latency.\n"
    "\n"
    "keys of --json\n"
    "  pattern, loop (open, closed), ports, links, shards, sizes [[bytes, share], ...], entries,\n"
    "  bulk_sizes, hops, rate_wanted and arrivals or in_flight, random_seed\n"
    "  seconds              measured\n"
    "  messages, rate, bytes_per_second\n"
    "                       acknowledged while it was measured, and a second\n"
    "  sent, acknowledged, received (by the other end; null: not known), lost, reordered\n"
    "                       of the whole run, its warm-up included\n"
    "  refused              sends that found no room and were tried again\n"
    "  unsent               due by --rate, and not sent before the end\n"
    "  latency_ns           {count, min, mean, p50, p90, p99, p99_9, p99_99, max}\n"
    "  sent_late_ns         with --rate, the same: from when a message was due until it was sent; "
    "what\n"
    "                       is late for want of a processor here, or of room, is part of "
    "latency_ns\n"
    "  closed_loop_ns       with --rate, the same: what of these messages a closed loop with one\n"
    "                       under way at each port had sent, from when it was sent\n"
    "  cpu_ns_here, cpu_ns_there\n"
    "                       of the processors for one message, by each end's process (null: not\n"
    "                       known)\n"
    "  bulk                 mixed: {messages, bytes_per_second, sent, acknowledged, latency_ns,\n"
    "                       refused} of the large messages; all else but lost, reordered and\n"
    "                       received is of the small ones\n"
    "  ending               \"done\", or why it ended before its time\n"
    "  exit                 the exit code\n"
    "  of --rate-sweep: pattern, sweep [{rate_wanted, rate, p99_ns, borne}, ...], highest (0: "
    "none),\n"
    "  p99_ns, slo_p99_ns, ending, exit\n"
    "\n"
    "exit codes\n"
    "  0  done\n"
    "  1  the command line is wrong\n"
    "  2  a node of this end cannot start\n"
    "  3  the target cannot be reached, or went away: the summary is of what came before\n"
    "  4  the target lacks the service\n"
    "  5  messages were lost or reordered, or anything else\n"
    "  7  what was expected was not reached\n"
    "  130, 143  ended by SIGINT or SIGTERM, after the summary; a second one ends the\n"
    "            wait for the last messages\n";

static const char verifying[] =
    "\n"
    "verify: ports here send rows of numbered messages to ports that they spawn at the targets,\n"
    "5000 a second unless --rate or --in-flight says otherwise; they kill them, and spawn new\n"
    "ones; and connections to --seed go through a proxy in this process, which cuts them.\n"
    "Whatever the network goes through meanwhile, these must hold, or the exit code is 5, and it\n"
    "is told which did not:\n"
    "  lost            nothing was told of messages within --timeout of a link, nor by a monitor,\n"
    "                  or others came before them; with less than the seconds after which a link\n"
    "                  counts as silent, a node that only pauses is accused\n"
    "  reordered, repeated, changed\n"
    "                  messages of one port to one port, as sent\n"
    "  stale           sent before a failure that a monitor told of, and came behind that\n"
    "  monitor_silent  a port was killed, and its monitor did not fire within --timeout\n"
    "  monitor_twice   or fired twice\n"
    "  last_words      a port's death was told before what it had said\n"
    "keys of --json: seconds, sent, received (came back), lost_and_told, fired (monitors), kills,\n"
    "  failures (of links, as monitors told), cuts, absent (ports that found nobody at the end:\n"
    "  exit code 3), findings (an object of the above), first (of them, in words), exit\n";

bool ptl_bench_help(void)
{
    const struct ptl_bench_pattern *pattern;

    fputs(head, stdout);
    for (unsigned i = 0; (pattern = ptl_bench_pattern_at(i)) != NULL; i++) {
        printf("  %-10s %s\n", pattern->name, pattern->what);
    }
    fputs(load_options, stdout);
    fputs(meaning, stdout);
    fputs(verifying, stdout);
    return fflush(stdout) == 0 && !ferror(stdout);
}
