#!/usr/bin/perl
# Everything that may come over a wire and should not, sent to a running node.  Each case costs
# the one who sent it a log line and, where its stream cannot be trusted any more, its connection;
# another link goes on working meanwhile, and the node's memory stays bounded.  Prints TAP.
#
#   PORTOLAN=build/plain/portolan ACTOR=build/plain/tests/peer_actor tests/peer/bad_input.pl [PATTERN]
use strict;
use warnings;

use FindBin ();
use lib $FindBin::Bin;

use AEMPPeer;
use PortolanProcess;
use Test::More;
use Time::HiRes qw(time sleep);

# A thousand connections need more descriptors than most shells give.
if (!$ENV{PTL_MORE_FILES}) {
    $ENV{PTL_MORE_FILES} = 1;
    exec 'sh', '-c', 'ulimit -n 4096 2>/dev/null || ulimit -n "$(ulimit -H -n)"; exec "$@"', 'sh',
        $^X, $0, @ARGV;
}
alarm 300;
$SIG{PIPE} = 'IGNORE';

my $portolan  = $ENV{PORTOLAN} // die "PORTOLAN must name the command to test\n";
my $actor     = $ENV{ACTOR}    // die "ACTOR must name the acting node\n";
my $pattern   = shift // '.';
my $sanitized = ($ENV{PTL_SANITIZE} // 'none') ne 'none';
my $secret    = 'a secret of good length';
my $limit     = 1 << 20;     # --max-message
my $half_open = 16;          # unfinished openings of one name that a node keeps
my $deadline  = 10;          # seconds for an opening
my $rss_room  = 96 << 10;    # KiB by which the node may grow while all this goes on

my $node = PortolanProcess->start($portolan, 'run', '--node', 'rain', '--bind', '127.0.0.1:0',
    '--secret', $secret, '--shards', 2, '--service', 'echo', '--service', 'sink',
    '--max-message', $limit, '--log', 'debug');

sub raw_socket {
    my @from   = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => $node->{address}, Timeout => 10, @from)
        or die "cannot connect: $!\n";
    return $socket;
}

my $peers = 0;

sub linked {
    my ($framing) = @_;
    return AEMPPeer->dial($node->{address}, secret => $secret, node => 'bad' . ++$peers,
        accepts => [$framing], makes => [$framing]);
}

# The link that must not notice anything.
my $canary = AEMPPeer->dial($node->{address}, secret => $secret, node => 'canary');
my $canary_notices = $canary->{notices} = [];

sub canary_sings {
    my $in = $canary->collect('in');
    $canary->packet('echo', 'echo', 'song', $canary->id('in'));
    return $canary->run_until(sub { @$in }, 20) && $in->[0][0] eq 'song';
}

my $rss_before = do { canary_sings(); $node->rss };

# One case: what is done must be logged, and harm nobody else.
sub bad_input {
    my ($name, $code, %option) = @_;
    return if $name !~ /$pattern/;
    subtest $name => sub {
        $node->new_log_lines;
        eval { $code->(); 1 } or fail("died: $@");
        my @lines;
        my $until = time + 10;
        while (!$option{silent}) {
            push @lines, $node->new_log_lines;
            my $all = join("\n", @lines); # also of what was closed before this case
            last if time > $until || @lines && (!$option{log} || $all =~ $option{log});
            sleep 0.02;
        }
        ok(scalar(@lines), 'it is logged') if !$option{silent};
        like(join("\n", @lines), $option{log}, 'in these words') if $option{log};
        ok(canary_sings(), 'another link goes on working');
        ok(!$node->ended, 'the node lives') or BAIL_OUT($node->log);
        if (!$sanitized) {
            cmp_ok($node->rss - $rss_before, '<', $rss_room, 'its memory is bounded');
        }
    };
}

# Whether the node closes $socket within $seconds; what it sends until then is thrown away.
sub closed_by_node {
    my ($socket, $seconds) = @_;
    my $until = time + $seconds;
    while (time < $until) {
        my $bits = '';
        vec($bits, fileno $socket, 1) = 1;
        select($bits, undef, undef, 0.1) or next;
        my $size = sysread $socket, my $bytes, 1 << 16;
        return 1 if !$size && !$!{EAGAIN};
    }
    return 0;
}

# Send an opening as it stands; the node must close.
sub refused {
    my ($bytes, $what, @from) = @_;
    my $socket = raw_socket(@from);
    syswrite $socket, $bytes;
    ok(closed_by_node($socket, 8), "$what: closed") or diag(substr $bytes, 0, 100);
}

# ---- Strangers whose patience is tried in the background ---------------------------------------

my $begun = time;
my %half_way = map { $_->[0] => do { my $s = raw_socket(); syswrite $s, $_->[1]; $s } } (
    ['nothing at all',         ''],
    ['half a line',            'aemp;1;slow;hmac'],
    ['one line',               "aemp;1;slow;hmac_sha3_512;cbor\n"],
    ['two lines',              "aemp;1;slow;hmac_sha3_512;cbor\nnonce\n"],
    ['all but the last octet', "aemp;1;slow;hmac_sha3_512;cbor\nnonce\ncleartext;"
        . unpack('H*', $secret) . ';cbor'],
);

# ---- The opening ---------------------------------------------------------------------------------

bad_input 'over-long greeting lines' => sub {
    refused('x' x 8192, 'a line without end');
    refused('aemp;1;long;hmac_sha3_512;cbor;' . 'k=v;' x 2000 . "\n", 'a line with many keys');
    refused("aemp;1;long;hmac_sha3_512;cbor\n" . 'n' x 5000 . "\n", 'a long nonce');
    refused("aemp;1;long;hmac_sha3_512;cbor\nn\nhmac_sha3_512;" . 'a' x 5000 . ";cbor\n",
        'a long proof');
};

bad_input 'malformed greeting lines' => sub {
    refused("$_\nnonce\n", defined $_ && $_ ne '' ? substr($_, 0, 40) =~ s/[^ -~]/?/gr : 'empty')
        for ('', 'GET / HTTP/1.1', 'aemp', 'aemp;1', 'aemp;1;a;hmac_sha3_512',
        'aemp;1;;hmac_sha3_512;cbor', 'aemp;1;a#b;hmac_sha3_512;cbor',
        'aemp;1;' . 'n' x 300 . ';hmac_sha3_512;cbor', "aemp;1;a\0b;hmac_sha3_512;cbor",
        'aemp-dataconn;1;a;hmac_sha3_512;cbor', "\x16\x03\x01\x02\x00\x01\x00", "\xff" x 100,
        'aemp;1;none;cleartext;cbor', 'aemp;1;none;hmac_sha3_512;storable', 'aemp;1;none;;');
};

bad_input 'wrong version' => sub {
    refused("aemp;$_;other;hmac_sha3_512;cbor\nnonce\n", "version $_") for 0, 2, '1.5', 'x', '';
};

bad_input 'wrong secret' => sub {
    for my $method ('hmac_sha3_512', 'cleartext') {
        my $peer = eval {
            AEMPPeer->dial($node->{address}, secret => 'another secret', node => 'wrong',
                method => $method);
        };
        # The node may have proved itself with its own secret first, or closed at once.
        ok(!$peer, "$method: not let in");
    }
    refused("aemp;1;wrong;hmac_sha3_512;cbor\nnonce\n$_\n", $_)
        for 'tls_anon;;cbor', 'tls_sha3_512;00;cbor', 'cleartext;;cbor', ';;', 'cleartext',
        'hmac_sha3_512;' . '0' x 128 . ';cbor', 'cleartext;' . unpack('H*', $secret) . ';storable';
};

bad_input 'equal nonces' => sub {
    for my $same_first (0, 1) {
        my $socket = raw_socket();
        my $text   = '';
        while (($text =~ tr/\n//) < 2) {
            sysread $socket, $text, 4096, length $text or last;
        }
        my ($first, $nonce) = split /\n/, $text;
        syswrite $socket, ($same_first ? $first : 'aemp;1;mirror;hmac_sha3_512;cbor') . "\n$nonce\n";
        ok(closed_by_node($socket, 8), $same_first ? 'an echo: closed' : 'our nonce: closed');
    }
};

bad_input 'our own ID, from another' => sub {
    # From an address of its own: of the other there have been more lines than are shown.
    refused("aemp;1;rain;hmac_sha3_512;cbor\nsome nonce\n", 'the ID of the node',
        LocalAddr => '127.0.0.7');
}, log => qr/rain/;

bad_input 'our own ID, from ourselves' => sub {
    my $socket  = AEMPPeer::listen_socket();
    my $address = AEMPPeer::address_of($socket);
    close $socket;
    my $self = PortolanProcess->start($actor, '--node', 'self', '--bind', $address,
        '--seed', $address, '--secret', $secret, '--shards', 2);
    my $peer = AEMPPeer->dial($address, secret => $secret, node => 'visitor');
    my $in = $peer->collect('in');
    $peer->packet('actor', 'after', 1, 'visitor#in');
    ok($peer->run_until(sub { @$in }), 'a node that is its own seed works');
    my $until = time + 10;
    sleep 0.05 while $self->log !~ /this node|itself|ourselves/ && time < $until;
    like($self->log, qr/this node|itself|ourselves/, 'and says so');
    is($self->stop, 0, 'and stops');
}, silent => 1;

bad_input 'a thousand half-open connections of one name' => sub {
    my @sockets = map { IO::Socket::INET->new(PeerAddr => $node->{address}, Timeout => 10) } 1 .. 1000;
    @sockets = grep { defined } @sockets;
    cmp_ok(scalar(@sockets), '>=', 900, 'a thousand connect');
    $_->blocking(0), syswrite($_, "aemp;1;half;hmac_sha3_512;cbor\n") for @sockets;
    ok(canary_sings(), 'another link works meanwhile');
    my $peer = eval { AEMPPeer->dial($node->{address}, secret => $secret, node => 'honest') };
    ok($peer, 'and an honest peer gets in') or diag($@);
    my ($open, $until) = (scalar @sockets, time + 8);
    while ($open > $half_open && time < $until) {
        $open = 0;
        for my $socket (@sockets) {
            next if !$socket->opened;
            1 while sysread $socket, my $bytes, 1 << 16;
            $!{EAGAIN} ? $open++ : close $socket;
        }
        sleep 0.05;
    }
    cmp_ok($open, '<=', $half_open, 'the oldest are closed');
    close $_ for @sockets;
};

# ---- Packets ---------------------------------------------------------------------------------------

# Authenticated, then $bytes: what happens to the connection?
sub sent_raw {
    my ($framing, $bytes, $expected, $what) = @_;
    my $peer = linked($framing);
    $peer->fence or fail('linked');
    $node->new_log_lines;
    $peer->raw($bytes);
    if ($expected eq 'closed') {
        ok($peer->run_until_closed(20), "$what: closed");
    } else {
        ok($peer->fence, "$what: the link goes on");
    }
    $peer->hang_up;
}

bad_input 'JSON that is broken' => sub {
    sent_raw('json', $_, 'closed', $_)
        for '{]', '["echo",}', '["echo",tru]', '["echo" "x"]', '[]]', "[\"echo\",\"\xff\"]", '["a\u12"]',
        '["echo",01]', 'hello', "[\"line\nend\"]";
    my $peer = linked('json');
    $peer->raw('["echo","unfinished');
    $peer->exchange(0);
    $peer->hang_up;
    ok(canary_sings(), 'unfinished: the peer hung up');
};

bad_input 'JSON nested 10,000 deep' => sub {
    sent_raw('json', '["echo",' . '[' x 10_000 . ']' x 10_000 . ']', 'closed', 'arrays');
    sent_raw('json', '["echo",' . '{"a":' x 10_000 . '1' . '}' x 10_000 . ']', 'closed', 'maps');
    sent_raw('json', '[' x 10_000, 'closed', 'only opened');
};

# Send without end until the node has had enough.
sub endless {
    my ($framing, $begin, $chunk, $what) = @_;
    my $peer = linked($framing);
    my $sent = 0;
    $peer->raw($begin);
    $peer->run_until(sub {
        $peer->raw($chunk), $sent += length $chunk while length $peer->{out} < 1 << 18;
        return $sent > 64 * $limit;
    });
    ok($peer->{closed}, "$what: closed");
    cmp_ok($sent, '<', 16 * $limit, 'soon enough');
    $peer->hang_up;
}

bad_input 'JSON that is endless' => sub {
    endless('json', '["echo","', 'x' x 65536, 'a string');
    endless('json', '["echo"', ',1' x 30000, 'an array');
    endless('json', '["echo",', '1' x 65536, 'a number');
};

bad_input 'CBOR that is truncated' => sub {
    my $packet = CBOR::XS::encode_cbor(['echo', 'x' x 100, [1, 2.5, { a => undef }]]);
    for my $size (1 .. length($packet) - 1) {
        next if $size > 8 && $size % 16;
        my $peer = linked('cbor');
        $peer->raw(substr $packet, 0, $size);
        $peer->exchange(0);
        $peer->hang_up;
    }
    ok(canary_sings(), 'peers that hang up inside a packet are done with');
};

bad_input 'CBOR that is not well-formed' => sub {
    sent_raw('cbor', $_, 'closed', unpack 'H*', $_)
        for "\xff", "\x1c", "\x82\x1f", "\x82\x44echo\xfc\xfd", "\x82\x44echo\xf8\x01", "\x9c", "\x82\x5f\x61a\xff",
        "\x82\x44echo\xbf\x61a\xff";
    sent_raw('cbor', "\x82\x44echo" . "\x81" x 10_000 . "\x00", 'closed', 'nested 10,000 deep');
};

bad_input 'CBOR that is indefinite' => sub {
    my $peer = linked('cbor');
    my $in   = $peer->collect('in');
    my $to   = $peer->id('in');
    $peer->raw("\x9f\x44echo\x44echo\x9f\x01\x02\xff\x5f\x42ab\x41c\xff\x7f\x61x\xff\xbf\x61k\x01\xff"
        . chr(0x58) . chr(length $to) . "$to\xff");
    ok($peer->run_until(sub { @$in }), 'a finite one is a message');
    is_deeply([@{ $in->[0] }[0 .. 3]], [[1, 2], 'abc', 'x', { k => 1 }], 'with its values');
    $peer->hang_up;
    endless('cbor', "\x9f\x44echo", "\x01" x 65536, 'an array without end');
    endless('cbor', "\x82\x44echo\x5f", "\x58\x64" . 'x' x 100, 'a string without end');
};

bad_input 'CBOR with unknown tags' => sub {
    my $peer = linked('cbor');
    my $in   = $peer->collect('in');
    my $to   = $peer->id('in');
    $peer->raw("\xd9\xd9\xf7\x84\x44echo\xc5\x44echo\xda\x00\x12\xd6\x87\x83\x01\xd8\x1a\x02\xf9\x3e\x00"
        . chr(0x58) . chr(length $to) . $to);
    ok($peer->run_until(sub { @$in }), 'is a message');
    is_deeply($in->[0][0], [1, 2, 1.5], 'without the tags');
    $peer->hang_up;
}, silent => 1;

bad_input 'CBOR with lengths of 2^63' => sub {
    my $huge = "\x80" . "\0" x 7;
    sent_raw('cbor', $_->[1], 'closed', $_->[0])
        for ['a packet', "\x9b$huge"], ['bytes', "\x82\x44echo\x5b$huge"], ['text', "\x82\x44echo\x7b$huge"],
        ['an array', "\x82\x44echo\x9b$huge\x01"], ['a map', "\x82\x44echo\xbb$huge\x01"],
        ['a name', "\x82\x5b$huge"], ['2^64 - 1', "\x82\x44echo\x5b" . "\xff" x 8];
};

bad_input 'a message that is not an array' => sub {
    sent_raw('cbor', $_, 'open', unpack 'H*', $_)
        for "\x01", "\x44echo", "\xf6", "\xa1\x61a\x01", "\xf5", "\xfb\x40\x09\x21\xfb\x54\x44\x2d\x18";
    sent_raw('json', $_, 'open', $_) for '{"a":1}', '"echo" ', 'null ', '17 ';
};

bad_input 'an empty array' => sub {
    sent_raw('cbor', "\x80" x 10, 'open', 'CBOR');
    sent_raw('json', '[][ ]' x 10, 'open', 'JSON');
}, silent => 1;    # it is a keepalive, too

bad_input 'an array whose first element is a number' => sub {
    sent_raw('cbor', "\x82\x01\x02", 'open', 'CBOR');
    sent_raw('cbor', "\x82\xfb\x40\x09\x21\xfb\x54\x44\x2d\x18\x02", 'open', 'a float');
    sent_raw('cbor', "\x82\x80\x02", 'open', 'an array');
    sent_raw('json', '[1,2][-1.5][[1],2][{},2][null,"x"][true]', 'open', 'JSON');
};

bad_input 'a node-port request with missing or wrong arguments' => sub {
    for my $framing ('cbor', 'json') {
        my $peer = linked($framing);
        for my $request (qw(mon1 mon0 kil0 kil1 snd can time eval devnull),
            'AnyEvent::MP::_spawn', 'No::Such::function', 'g_set', 'g_slave', 'g_upd') {
            $peer->packet('', $request, @$_)
                for [], [undef], [''], [1], [[]], [{}], ['#'], ['a#b#c'], ["\0"], ['x' x 5000],
                ['x', undef], ['x', ''], ['x', 1], ['x', []], ['x', {}, 'y'], ['x', 'nowhere#port'],
                ['echo', 'portolan::echo', [[]]], [undef, undef, undef];
        }
        $peer->packet('', $_) for 1, undef, [], {}, 1.5, 'x' x 5000;
        ok($peer->fence, "$framing: the link goes on");
        my $in = $peer->collect('in');
        $peer->packet('echo', 'echo', 'and works', $peer->id('in'));
        ok($peer->run_until(sub { @$in }), 'and works');
        $peer->hang_up;
    }
};

bad_input 'a message over the limit' => sub {
    for my $framing ('cbor', 'json') {
        my $peer = linked($framing);
        my $in   = $peer->collect('in');
        $peer->packet('echo', 'echo', 'x' x ($limit - 200), $peer->id('in'));
        ok($peer->run_until(sub { @$in }), "$framing: one under the limit passes");
        $peer->packet('echo', 'echo', 'x' x (2 * $limit), $peer->id('in'));
        ok($peer->run_until_closed(20), 'one over it closes the connection');
        is(scalar @$in, 1, 'and is not delivered');
        $peer->hang_up;
    }
};

# ---- Who stopped half-way -----------------------------------------------------------------------

bad_input 'a peer that stops half-way' => sub {
    my $trickler = raw_socket();
    $trickler->blocking(0);
    my $started = time;
    my $closed = 0;
    for my $octet (split //, 'aemp;1;trickle;hmac_sha3_512;cbor;' . 'k=v;' x 20) {
        syswrite $trickler, $octet;
        $closed = closed_by_node($trickler, 0.5) and last;
        last if time - $started > 3 * $deadline;
    }
    ok($closed, 'one octet at a time: closed');
    cmp_ok(time - $started, '<', 2 * $deadline + 5, 'in time');
    for my $how (sort keys %half_way) {
        ok(closed_by_node($half_way{$how}, 3), "$how: closed");
    }
};

is_deeply($canary_notices, [], 'the other link has heard of nothing');
my $rss_after = $node->rss;
diag("resident: $rss_before KiB before, $rss_after KiB after") if !$sanitized;
is($node->stop, 0, 'the node stops when told') or diag($node->log);
done_testing;
