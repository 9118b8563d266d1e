#include "tools/command.h"

#include "engine/portolan.h"
#include "tools/bench/command.h"
#include "tools/common.h"
#include "tools/doctor/command.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* In pieces: a compiler need not take one of more than 4095 characters. */
static const char help[] =
    "portolan - a message broker node, and commands that talk to one\n"
    "\n"
    "  portolan run   [--node ID] [--bind HOST:PORT]... [--seed HOST:PORT]... [--no-global]\n"
    "                 [--secret S | --secret-file F] [--shards N] [--framing cbor,json]\n"
    "                 [--announce HOST:PORT]... [--service NAME]... [--max-message BYTES]\n"
    "                 [--max-spawned COUNT] [--max-monitors COUNT] [--spawn-rate N]\n"
    "                 [--poll-us N] [--silence-ms MS] [--log LEVEL] [--log-format FORMAT]\n"
    "                 [--loop LOOP]\n"
    "                 [--config FILE [--profile NAME]] [--tls-cert FILE ...]\n"
    "                 [--http [HOST:]PORT [--http-token-file F]]\n"
    "  portolan snd   PORT [ARG...]           send a message; done once the node has answered\n"
    "                                         behind it\n"
    "  portolan cal   PORT [ARG...]           send with a reply port, print the reply as JSON\n"
    "  portolan mon   PORT                    wait until it is gone, print the reason as JSON\n"
    "  portolan spawn NODE FUNC [ARG...]      make a port there, print its ID\n"
    "  portolan db set    FAMILY KEY [VALUE]  have the node that is talked to set an entry\n"
    "  portolan db del    FAMILY KEY          have it delete its entry\n"
    "  portolan db get    FAMILY KEY          print the value as JSON\n"
    "  portolan db keys   FAMILY              print an array of all keys\n"
    "  portolan db values FAMILY              print an array of all values\n"
    "  portolan db family FAMILY              print a map of all keys and values\n"
    "  portolan db watch  FAMILY [KEY]        print what is there and every change, a line each\n"
    "  portolan nodes                         print who is in the network\n"
    "  portolan trace NODE                    print its links, and theirs, as a tree from NODE on\n"
    "  portolan stats NODE                    print how it fares: shards, links, ports, families\n"
    "  portolan top                           show how all nodes fare, as long as one looks\n"
    "  portolan drain NODE                    end a node that has --service drain, when all that\n"
    "                                         it has accepted is delivered\n"
    "  portolan bench PATTERN                 load a node and say how it bears it: see portolan "
    "bench\n"
    "                                         --help\n"
    "  portolan gensecret                     print a fresh secret\n"
    "  portolan gencert [--output FILE]       write a certificate and its key for all nodes\n"
    "  portolan gencert --ca NAME [NODE...]   write an authority; or, by it, one for each node\n"
    "  portolan init [--output FILE]          write a first configuration, with a fresh secret\n"
    "  portolan config check FILE             is it right, and what does it come to?\n"
    "  portolan doctor                        would a node of run's options run well here, and\n"
    "                                         join its seeds?  If not, what is to be done?\n"
    "  portolan acl check FILE                are these rules right, of what other nodes may do?\n"
    "  portolan acl check FILE NODE [by PROOF] ACTION [OBJECT]\n"
    "                                         which line of them decides, and how?\n"
    "  portolan completion bash|zsh|fish      print what completes all of this in that shell\n"
    "  portolan --help | --version\n"
    "\n"
    "PORT is NODEID#NAME.  An ARG or VALUE that is JSON is taken as that, anything else as text.\n"
    "\n";

static const char run_help[] =
    "run\n"
    "  --node ID            the node's ID, unique in the network       [the host's name]\n"
    "  --bind HOST:PORT     listen there; port 0: any free one         [127.0.0.1:4040]\n"
    "  --seed HOST:PORT     join the network there                     [none]\n"
    "                       (or srv:_portolan._tcp.example: DNS knows where)\n"
    "  --announce HOST:PORT what others are told to reach us at        [where we listen;\n"
    "                       for 0.0.0.0 and [::] the interfaces' addresses, as they change]\n"
    "  --no-global          attach to a seed, do not hold the database [a global node]\n"
    "                       (until others have it as their seed and ask for the database)\n"
    "  --shards N           threads, 1 to 64                           [one a processor]\n"
    "  --framing LIST       what is spoken, best first        [portolan,cbor,json]\n"
    "  --service NAME       a built-in port: echo, sink, bench, drain;  [none]\n"
    "                       the ID of the first three is a key of the family of that name\n"
    "                       (the function portolan::echo can always be spawned)\n"
    "  --max-message BYTES  refuse larger messages                     [67108864]\n"
    "  --max-spawned COUNT  ports that one other node may spawn here   [100000]\n"
    "  --max-monitors COUNT monitors that one other node may have here [1000000]\n"
    "  --spawn-rate N       ports that a link may spawn in a second    [100000]\n"
    "  --poll-us N          look for work so long before sleeping: less     [0]\n"
    "                       latency, for processors that are never idle (one a thread)\n"
    "  --drain-seconds S    at the end, to deliver what was accepted   [5]\n"
    "  --http [HOST:]PORT   a page, /metrics, /healthz, /readyz, /api/...  [not served;\n"
    "                       HOST: 127.0.0.1]\n"
    "  --http-token-file F  what who asks must show: 'Authorization: Bearer ...'; any other HOST\n"
    "                       needs one (--http-token T: others see it in `ps`)  [none]\n"
    "  --rules FILE         what other nodes may do: docs/rules.md     [all]\n"
    "  --config FILE        options, a line each: see below            [none]\n"
    "  --profile NAME       and those of its section [profile NAME]    [none]\n"
    "  --log LEVEL          error, warn, info or debug                 [info]\n"
    "  --log-format FORMAT  text, json or journal, which is for systemd's [text; where systemd's\n"
    "                       journal reads the log: journal]\n"
    "all others\n"
    "  --seed HOST:PORT     the node to talk to       [PORTOLAN_SEED, or 127.0.0.1:4040]\n"
    "  --node ID            this client's own ID      [HOST/cli/RANDOM]\n"
    "  --timeout SECONDS    wait so long for an answer; mon, db watch, db set --hold: for a link\n"
    "                       [10; nodes, trace: 2 for each node that is asked]; for the link to "
    "the\n"
    "                       node that is talked to 5 at most\n"
    "  --log LEVEL          log to standard error     [off]\n";

static const char tls_help[] =
    "TLS, run and all others\n"
    "  --cert F             encrypt: one certificate with its key, which all nodes have, as "
    "AEMP's\n"
    "                       `cert`; PEM, only its owner may read it             [none]\n"
    "  --tls-cert F         encrypt: this node's own certificate, and those between it and an\n"
    "                       authority                                           [none]\n"
    "  --tls-key F          its key, not encrypted; only its owner may read it\n"
    "  --tls-ca F           the authorities whose certificates are trusted\n"
    "  --tls-crl F          revocation lists of all authorities, which then stand in --tls-ca\n"
    "  --tls USE            off; allow: with all who encrypt too; require: with no others [allow]\n"
    "  --tls-verify-node    a node's certificate must have its ID, as common or DNS name\n"
    "  --tls-anonymous P    run: let in, without a certificate that is believed, whoever goes by\n"
    "                       an ID that begins with P; they may do what rules allow   [nobody]\n"
    "gencert\n"
    "  --output FILE        the file for all nodes, with the key in it [cert.pem]; of one NODE:\n"
    "                       FILE.pem and FILE.key                      [NODE.pem, NODE.key]\n"
    "  --ca NAME            the authority's files: NAME.pem, NAME.key\n"
    "  --days N             it is good for so long                     [3650]\n"
    "                       Files that are there are left as they are.\n";

static const char more_help[] =
    "db set, db watch\n"
    "  --hold               set it from here: it is gone when this command is ended; the log says\n"
    "                       \"holding FAMILY KEY\" (info) once the node shows it\n"
    "  --prefix P           watch only keys that begin with P\n"
    "  --count N            end after N lines\n"
    "init, config check, doctor\n"
    "  --output FILE        init: write this one                        [portolan.conf]\n"
    "  --json               doctor: print one object\n"
    "  --strict             config check, doctor: warnings are mistakes\n"
    "nodes, trace\n"
    "  --json               nodes: print an object a line\n"
    "  --all                nodes: show clients such as this one too\n"
    "stats, top\n"
    "  --once               top: print one table; without a terminal it prints tables anyway\n"
    "  --links N            print so many links at most               [20]\n"
    "  --ports N            and of the busiest ports, and of the slowest  [10]\n"
    "  --families N         and of the largest families of the database  [20]\n"
    "  --every SECONDS      look again and again, and say what was done a second since then\n"
    "                       [stats: once; top: 2]\n"
    "  --count N            end after N times\n"
    "  --json               print an object a line, as /api/all has it\n"
    "all of them\n"
    "  --loop LOOP          uring: Linux 6.1 or later, and no container that forbids io_uring;\n"
    "                       epoll: anywhere, and slower; auto: uring if possible, else epoll, and\n"
    "                       the log of run says why                   [PORTOLAN_LOOP, or auto]\n"
    "  --silence-ms MS      take a node of ours that says nothing for so long for gone; 300 or\n"
    "                       more: the less, the sooner a busy machine is one  [2000]\n"
    "  --secret S           prove with this that we belong here (others see it in `ps`)\n"
    "  --secret-file F      the same, from a file that only its owner may read\n"
    "                       [PORTOLAN_SECRET, else ~/.config/portolan/secret, made on first use]\n"
    "                       less than 16 bytes do for loopback addresses only\n"
    "  --accept-secret-file F  run: others may prove with this one, too, while it is replaced\n"
    "\n";

static const char notes_help[] =
    "config    Every option of run is a key of a file: 'seed = 10.0.0.1:4040', 'no-global = yes',\n"
    "          again for each more; and a variable: PORTOLAN_SEED, with commas between more.  The\n"
    "          file counts less than variables, and these less than what stands after run.\n"
    "          [profile NAME] begins what counts for --profile NAME only; 'inherit = OTHER' in it\n"
    "          adds another's.  Other commands read PORTOLAN_SEED, _SECRET, _SECRET_FILE, _LOOP.\n"
    "          config check takes run's options as well, prints all values and where they come\n"
    "          from (0), or a line for each mistake (2), and warns of what is not secure; with\n"
    "          --strict warnings are mistakes.  init takes run's options and writes them; it asks\n"
    "          on a terminal only, and never writes over a file [portolan.conf]\n"
    "doctor    Takes run's options, changes nothing, and needs some seconds at most.  A line for\n"
    "          each thing that it has looked at begins with ok, warning or error; below the "
    "latter\n"
    "          two stands what to do.  2: there are errors; with --strict: or warnings.\n"
    "db        An entry is owned by the node that set it and is gone when that node is.  Of "
    "several\n"
    "          nodes' values for a key that of the lowest node ID shows.  Families are letters,\n"
    "          digits, '_' and ':'; 'l and 'g, the network's own, can be read and watched.\n"
    "db watch  Lines are {\"event\":\"added\",\"key\":K,\"value\":V}, \"changed\" likewise, and\n"
    "          {\"event\":\"deleted\",\"key\":K}.  What is there comes first, as added; that this "
    "was\n"
    "          all is told in the log (info) and not here: \"watching FAMILY\".  A watch outlives\n"
    "          its seed, and goes on when one is back.  {\"event\":\"reset\"} says that all is "
    "told\n"
    "          anew, as added, since memory had run out.\n"
    "nodes     up: it answers; down: it does not; up*: it has no address to be asked at, and the\n"
    "          node it is attached to says that it is there.\n"
    "trace     ?: no answer (a client, another program's node); ^: also linked, drawn elsewhere;\n"
    "          ...: not asked, more than 50 links away.  No more than 1000 nodes are drawn.\n"
    "\n";

static const char end_help[] =
    "exit codes\n"
    "  0  done\n"
    "  1  the command line is wrong, or a variable PORTOLAN_...\n"
    "  2  the node cannot start: the configuration file, an address, the secret, a certificate,\n"
    "     the kernel\n"
    "  3  the node cannot be reached, or there was no answer in time\n"
    "  4  the port is gone, or there is no such port or key (mon: there was none)\n"
    "  5  anything else\n"
    "  6  run was ended before all that it had accepted was delivered: the log says how much\n"
    "  7  bench: it was less than was expected\n"
    "  8  acl check: the rules do not allow it; mon, stats: the node's do not\n"
    "  130, 143  ended by SIGINT or SIGTERM (run ends with 0 or 6 then)\n"
    "\n"
    "signals   SIGINT and SIGTERM end it; run delivers first what it has accepted, and a second "
    "one\n"
    "          ends it at once.  run takes SIGUSR1 and SIGUSR2 and goes on, and at "
    "SIGHUP\n"
    "          reads its --config, certificates and rules again: what can change does, and it\n"
    "          says what needs a restart.\n";

static const struct {
    const char *name;
    int (*run)(const struct ptl_options *options);
} commands[] = {
    {"run", ptl_command_run},
    {"snd", ptl_command_snd},
    {"cal", ptl_command_cal},
    {"mon", ptl_command_mon},
    {"spawn", ptl_command_spawn},
    {"db", ptl_command_db},
    {"nodes", ptl_command_nodes},
    {"trace", ptl_command_trace},
    {"stats", ptl_command_stats},
    {"top", ptl_command_top},
    {"drain", ptl_command_drain},
    {"gensecret", ptl_command_gensecret},
    {"gencert", ptl_command_gencert},
    {"config", ptl_command_config},
    {"doctor", ptl_command_doctor},
    {"acl", ptl_command_acl},
    {"completion", ptl_command_completion},
    {"init", ptl_command_init},
    /* The C API's whole words are taken as well as AEMP's clipped ones. */
    {"send", ptl_command_snd},
    {"call", ptl_command_cal},
    {"monitor", ptl_command_mon},
};

static int dispatch(const struct ptl_options *options)
{
    if (!options->command) {
        return ptl_complain(PTL_EXIT_USAGE, "no command is given: see portolan --help");
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(commands[i].name, options->command) == 0) {
            return commands[i].run(options);
        }
    }
    return ptl_complain(PTL_EXIT_USAGE, "there is no command '%s': see portolan --help",
                        options->command);
}

/*
 * Who closed them for us meant that nothing is to be read or written there; the first file or
 * socket that is opened would take their place.  In this one's nothing can be written either.
 */
static bool hold_standard_files(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDONLY) != fd) {
            return false;
        }
    }
    return true;
}

static int print_version(void)
{
    return puts("portolan " PTL_VERSION) < 0 ? PTL_EXIT_OTHER : PTL_EXIT_OK;
}

static int print_help(void)
{
    static const char *const pieces[] = {help, run_help, tls_help, more_help, notes_help, end_help};

    for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
        if (fputs(pieces[i], stdout) < 0) {
            return PTL_EXIT_OTHER;
        }
    }
    return PTL_EXIT_OK;
}

int main(int argc, char **argv)
{
    struct ptl_options options;
    sigset_t signals;

    ptl_signals_hold(&signals);
    if (!hold_standard_files()) {
        return PTL_EXIT_OTHER; /* and nowhere to say why */
    }
    if (argc > 1 && strcmp(argv[1], "bench") == 0) {
        ptl_signals_let_go(&signals);
        return ptl_command_bench(argc - 1, argv + 1); /* it has options of its own */
    }
    int code = ptl_options_parse(argc, argv, &options);
    if (!options.command || strcmp(options.command, "run") != 0) {
        ptl_signals_let_go(&signals);
    }
    if (code == PTL_EXIT_OK) {
        code = options.version ? print_version() : options.help ? print_help() : dispatch(&options);
    }
    ptl_options_free(&options);
    return code;
}
