#!/usr/bin/perl
# An independent AEMP node against a real node process, in both framings, both roles, on one shard
# and on two: everything a program on the other side may do.  Prints TAP.
#
#   PORTOLAN=build/plain/portolan ACTOR=build/plain/tests/peer_actor tests/peer/peer.pl [PATTERN]
#
# PATTERN runs only the subtests whose name matches.  PTL_QUICK=1 sends fewer messages.
use strict;
use warnings;
use utf8;

use FindBin ();
use lib $FindBin::Bin;

use AEMPPeer;
use PortolanProcess;
use Test::More;
use Time::HiRes qw(time);

binmode Test::More->builder->$_, ':utf8' for qw(output failure_output todo_output);
alarm 600;

my $portolan = $ENV{PORTOLAN} // die "PORTOLAN must name the command to test\n";
my $actor    = $ENV{ACTOR}    // die "ACTOR must name the acting node\n";
my $pattern  = shift // '.';
my $secret   = 'a secret of good length';
my $many     = $ENV{PTL_QUICK} ? 20_000 : 100_000;
my $mebibyte = 1 << 20;

# ---- One connection, whatever its role and framing ---------------------------------------------

# Send to the echo port $port and return what comes back.
sub echo {
    my ($peer, $port, @values) = @_;
    my $in = $peer->collect('in');
    $peer->packet($port, 'echo', @values, $peer->id('in'));
    $peer->run_until(sub { @$in }) or return ['no answer'];
    return $in->[0];
}

sub test_values {
    my ($peer) = @_;
    my @values = (
        0, 1, -1, 23, 24, 255, 256, 65535, 65536, 4294967295, 4294967296, 9007199254740993,
        9223372036854775807, -9223372036854775808, 1.5, -2.25, 1e300, 3.141592653589793, undef,
        '', 'hello', 'grüße €', '𝄞', "\x00\x1f\"\\/", [], [1, [2, []]], {}, { k => 'v', n => [1] },
    );
    is_deeply(echo($peer, 'echo', @values), \@values, 'values of all kinds come back');
    my $bytes = join '', map { chr } 0 .. 255;
    is_deeply(echo($peer, 'echo', $bytes), [$bytes], 'and every byte');
    is_deeply(echo($peer, 'echo', map { "v$_" } 1 .. 300), [map { "v$_" } 1 .. 300],
        'and many at once');
    my $deep = my $top = [];
    $top = $top->[0] = [] for 1 .. 400;
    is(JSON::XS::encode_json(echo($peer, 'echo', $deep)), '[' x 402 . ']' x 402, 'and deep ones');
}

sub test_large_messages {
    my ($peer) = @_;
    for my $text ('x' x $mebibyte, 'ü€' x ($mebibyte / 4), join('', map { chr $_ % 256 } 1 .. $mebibyte)) {
        my $back = echo($peer, 'echo', $text, 'end');
        ok($back->[0] eq $text && $back->[1] eq 'end', 'a mebibyte comes back as it went');
    }
    is_deeply(echo($peer, 'echo', [('word') x 100_000]), [[('word') x 100_000]], 'a long array too');
}

sub test_many_messages {
    my ($peer) = @_;
    my ($next, $wrong, $sent) = (1, 0, 0);
    $peer->port(many => sub { $wrong++ if $_[1] != $next++ });
    my $to = $peer->id('many');
    # Send and receive at once: neither side may wait for the other for ever.
    my $done = $peer->run_until(
        sub {
            while ($sent < $many && length $peer->{out} < $mebibyte) {
                $peer->packet('echo', 'echo', ++$sent, "message $sent", $to);
            }
            return $next > $many;
        },
        120
    );
    ok($done, "$many messages come back") or diag("only $next, " . ($peer->{closed} // 0));
    is($wrong, 0, 'in the order they went');

    my $in = $peer->collect('in');
    $peer->packet('sink', 'count', $peer->id('in'));
    ok($peer->run_until(sub { @$in }), 'the sink tells its count');
    my $before = $in->[0][0];
    $peer->packet('sink', 'text', $_) for 1 .. $many;
    $peer->packet('sink', 'count', $peer->id('in'));
    ok($peer->run_until(sub { @$in == 2 }, 120), 'and again');
    is($in->[1][0] - $before, $many, 'everything was counted');
}

my $spawned = 0;

# Ask for a port at the node; returns the name that we have chosen for it.
sub spawn_there {
    my ($peer, $function, @values) = @_;
    my $name = "perl$$" . 'R' . ++$spawned;
    $peer->packet('', 'AnyEvent::MP::_spawn', $name, $function, @values);
    return $name;
}

sub test_spawn_monitor_and_kill_there {
    my ($peer) = @_;
    my $notices = $peer->{notices} = [];
    my $node = $peer->{other_node};

    my $port = spawn_there($peer, 'portolan::echo', 'init', 'data');
    is_deeply(echo($peer, $port, 'to the spawned'), ['to the spawned'], 'a spawned port answers');
    $peer->packet('', 'mon1', $port);
    ok($peer->fence && !@$notices, 'its monitor is silent while it lives');
    $peer->packet('', 'kil1', $port, 'some', 'reason', 42);
    ok($peer->run_until(sub { @$notices }), 'its death is told');
    is_deeply($notices, [[$port, 'some', 'reason', 42]], 'with the reason');
    $peer->packet('', 'mon1', $port);
    ok($peer->run_until(sub { @$notices == 2 }), 'a monitor on the dead port fires');
    is_deeply($notices->[1],
        [$port, 'no_such_port', 'cannot monitor nonexistent port', "$node#$port"],
        'as no such port');

    @$notices = ();
    $port = spawn_there($peer, 'portolan::echo');
    $peer->packet('', 'mon1', $port);
    $peer->packet('', 'kil1', $port);
    ok($peer->run_until(sub { @$notices }), 'a kill without a reason');
    is_deeply($notices, [[$port]], 'is a normal death');

    @$notices = ();
    $port = spawn_there($peer, 'portolan::echo');
    $peer->packet('', 'mon1', $port);
    $peer->packet('', 'mon0', $port);
    $peer->packet('', 'kil1', $port, 'not to be told');
    $peer->packet('', 'mon0', 'nonesuch');
    $peer->packet('', 'mon0', undef);
    $peer->packet('', 'mon1', $port);    # told behind whatever else that port has to tell
    ok($peer->run_until(sub { @$notices }), 'a monitor taken back');
    is_deeply([map { $_->[1] } @$notices], ['no_such_port'], 'tells nothing');

    @$notices = ();
    $port = spawn_there($peer, 'No::Such::function');
    $peer->packet('', 'mon1', $port);
    ok($peer->run_until(sub { @$notices }), 'a port of an unknown function dies');
    like($notices->[0][1], qr/\A(?:die|no_such_port)\z/, 'with a reason');

    @$notices = ();
    $peer->packet('', 'mon1', 'nonesuch');
    $peer->packet('', 'kil1', 'nonesuch', 'x');
    $peer->packet('nonesuch', 'lost');
    ok($peer->run_until(sub { @$notices }), 'a port that never was is told');
    $peer->fence;
    is_deeply($notices,
        [['nonesuch', 'no_such_port', 'cannot monitor nonexistent port', "$node#nonesuch"]],
        'once, as no such port');
}

sub test_last_words_come_before_death {
    my ($peer) = @_;
    my (@seen, $port);
    $peer->port(words => sub { push @seen, $_[1] });
    my $notices = $peer->{notices} = [];
    for (1 .. 20) {
        $port = spawn_there($peer, 'portolan::echo');
        $peer->packet('', 'mon1', $port);
        $peer->packet($port, 'echo', $_, $peer->id('words')) for 1 .. 50;
        $peer->packet('', 'kil1', $port, 'end');
        my $round = $_;
        $peer->run_until(sub { @$notices == $round }) or last;
        last if @seen != 50 * $round;
    }
    is(@$notices, 20, 'every death was told');
    is_deeply(\@seen, [(1 .. 50) x 20], 'after everything the port had said');
}

sub test_node_requests {
    my ($peer) = @_;
    my $in = $peer->collect('in');
    my $to = $peer->id('in');
    my $ask = sub {
        @$in = ();
        $peer->packet('', @_);
        $peer->run_until(sub { @$in }) ? $in->[0] : ['no answer'];
    };

    my $answer = $ask->('time', $to, 'what', 'time');
    is_deeply([@$answer[0, 1]], ['what', 'time'], 'time answers with our values');
    cmp_ok(abs($answer->[2] - time), '<', 60, 'and the time');
    for my $known (qw(mon0 mon1 kil0 kil1 snd can time devnull eval)) {
        ok($ask->('can', $known, $to, 'x')->[1], "can $known");
    }
    ok(!$ask->('can', 'nosuch', $to, 'x')->[1], 'cannot nosuch');
    ok(!$ask->('can', 'nosuch', $to, 'x')->[1], 'nor when asked again');
    is_deeply($ask->('snd', $to, 'relayed', 'message'), ['relayed', 'message'], 'snd relays');
    is_deeply($ask->('snd', "$peer->{other_node}#echo", 'echo', 'via', $to)->[0], 'via',
        'snd to a port of the node itself');
    $answer = $ask->('eval', '1 + 1', $to, 'eval');
    is($answer->[0], 'eval', 'eval answers');
    ok($answer->[1] ne '', 'with an error');
    is(@$answer, 2, 'and no result');

    @$in = ();
    $peer->packet(@$_) for (['', 'devnull', 'x'], ['', ''], [''], [], ['', 'Some::function', 1, 2],
        ['', 'kil1', '', 'the node port'], ['', 'kil0', 'unexpected', 'x']);
    ok($peer->fence && !@$in && !$peer->{closed}, 'keepalives and strange requests do no harm');
    is_deeply(echo($peer, 'echo', 'still there'), ['still there'], 'and the node is still there');
    is_deeply($peer->{strange}, [], 'the node asked nothing that real nodes do not know');
}

my %connection_test = (
    'values'                        => \&test_values,
    'large messages'                => \&test_large_messages,
    'many messages'                 => \&test_many_messages,
    'spawn, monitor and kill there' => \&test_spawn_monitor_and_kill_there,
    'last words'                    => \&test_last_words_come_before_death,
    'node requests'                 => \&test_node_requests,
);

sub test_connection {
    my ($peer) = @_;
    is($peer->{other_node}, 'rain', 'the node says who it is');
    is($peer->{other_keys}{mproto}, 1, 'and that it speaks the node protocol');
    is($peer->{receives}, $peer->{accepts}[0], 'it sends in the framing that we prefer');
    for my $name (sort keys %connection_test) {
        my $code = $connection_test{$name};
        subtest $name => sub { $code->($peer) };
        return if $peer->{closed};
    }
}

# ---- A node that acts on us ------------------------------------------------------------------------

# Have the actor do something; its answers come to our port "told".
sub act {
    my ($peer, @command) = @_;
    $peer->packet('actor', @command);
}

sub asked {
    my ($peer, $word) = @_;
    return grep { $_->[0] eq $word } @{ $peer->{asked} };
}

sub test_monitor_here {
    my ($peer) = @_;
    my $told = $peer->collect('told');
    my $to   = $peer->id('told');
    my @reasons = (['some', 'reason', 42], [], ['die', 'of a text with ü']);

    for my $i (0 .. $#reasons) {
        @$told = ();
        $peer->port("victim$i" => sub { });
        act($peer, 'monitor', $peer->id("victim$i"), $to);
        ok($peer->run_until(sub { $peer->{watched}{"victim$i"} }), 'the node monitors our port');
        $peer->die_port("victim$i", @{ $reasons[$i] });
        ok($peer->run_until(sub { @$told }), 'and hears of its death');
        is_deeply($told, [['gone', @{ $reasons[$i] }]], 'with the reason');
    }
    @$told = ();
    act($peer, 'monitor', $peer->id('nonesuch'), $to);
    ok($peer->run_until(sub { @$told }), 'a port that never was is told');
    is($told->[0][1], 'no_such_port', 'as such');

    @$told = ();
    $peer->{asked} = [];
    $peer->port(twice => sub { });
    act($peer, 'monitor', $peer->id('twice'), $to) for 1 .. 3;
    ok($peer->fence && $peer->run_until(sub { asked($peer, 'mon1') }), 'monitored three times');
    $peer->fence;
    is(scalar asked($peer, 'mon1'), 1, 'the port is asked for once');
    $peer->die_port('twice', 'end');
    ok($peer->run_until(sub { @$told == 3 }), 'and told three times');

    @$told = ();
    $peer->port(released => sub { });
    act($peer, 'monitor', $peer->id('released'), $to);
    act($peer, 'unmonitor');
    ok($peer->run_until(sub { asked($peer, 'mon0') || !asked($peer, 'mon1') }), 'taken back');
    $peer->die_port('released', 'not to be told');
    $peer->packet('', 'kil0', 'released', 'nor this');
    ok($peer->fence && $peer->fence && !@$told, 'it tells nothing');
}

sub test_kill_here {
    my ($peer) = @_;
    $peer->{asked} = [];
    $peer->port($_ => sub { }) for qw(first second);
    act($peer, 'kill', $peer->id('first'), 'some', 'reason', 42);
    act($peer, 'kill', $peer->id('second'));
    ok($peer->run_until(sub { asked($peer, 'kil1') == 2 }), 'the node kills our ports');
    is_deeply([asked($peer, 'kil1')], [['kil1', 'first', 'some', 'reason', 42], ['kil1', 'second']],
        'with a reason and without');
}

sub test_spawn_here {
    my ($peer) = @_;
    my $told = $peer->collect('told');
    my $to   = $peer->id('told');
    my @init;
    $peer->{asked} = [];
    $peer->{functions}{'AEMPTest::port'} = sub {
        my (undef, $name, @values) = @_;
        @init = @values;
        return sub { };
    };
    act($peer, 'spawn', $peer->{node}, 'AEMPTest::port', $to, 'init', 7, undef);
    ok($peer->run_until(sub { @$told && asked($peer, 'mon1') }), 'the node spawns at us');
    my (undef, $id) = @{ $told->[0] };
    my $name = (asked($peer, 'spawn'))[0][1];
    is($id, $peer->id($name), 'and knows the port by its ID');
    is_deeply(\@init, ['init', 7, undef], 'the function got its values');
    $peer->die_port($name, 'end', 'of it');
    ok($peer->run_until(sub { @$told == 2 }), 'its death is told');
    is_deeply($told->[1], ['gone', 'end', 'of it'], 'with the reason');

    @$told = ();
    act($peer, 'spawn', $peer->{node}, 'No::Such::function', $to);
    ok($peer->run_until(sub { @$told == 2 }), 'an unknown function');
    is($told->[1][1], 'no_such_port', 'makes no port');
}

sub test_call_here {
    my ($peer) = @_;
    my $told = $peer->collect('told');
    my $to   = $peer->id('told');
    $peer->port(oracle => sub {
        my ($self, @values) = @_;
        $self->reply(pop @values, 'because', @values);
    });
    act($peer, 'call', $peer->id('oracle'), $to, 'why', 1.5);
    ok($peer->run_until(sub { @$told }), 'the node calls us');
    is_deeply($told->[0], ['answer', 'because', 'why', 1.5], 'and gets its answer');
    @$told = ();
    act($peer, 'call', $peer->id('nonesuch'), $to, 'why');
    ok($peer->run_until(sub { @$told }), 'calling nobody');
    is_deeply($told->[0], ['no answer', 'PTL_ENOPORT'], 'ends with the monitor');
}

sub test_flood_here {
    my ($peer) = @_;
    my ($next, $wrong, $size) = (1, 0, 0);
    $peer->port(flood => sub { $wrong++ if $_[1] != $next++; $size += length $_[2] });
    act($peer, 'flood', $peer->id('flood'), $many, 16);
    ok($peer->run_until(sub { $next > $many }, 120), "the node sends $many messages")
        or diag("only $next");
    is($wrong, 0, 'in order');
    ($next, $size) = (1, 0);
    act($peer, 'flood', $peer->id('flood'), 16, $mebibyte);
    ok($peer->run_until(sub { $next > 16 }, 120), 'and sixteen of a mebibyte') or diag("only $next");
    is($size, 16 * $mebibyte, 'whole');
    is($wrong, 0, 'in order');

    # We stop reading for a while: the node waits for us, and loses nothing.
    ($next, $size) = (1, 0);
    act($peer, 'flood', $peer->id('flood'), 64, $mebibyte);
    $peer->run_until(sub { $next > 2 }) or diag('the flood does not begin');
    select undef, undef, undef, 1;
    ok($peer->run_until(sub { $next > 64 }, 120), 'a reader that pauses gets everything')
        or diag("only $next");
    is($wrong, 0, 'in order');
}

sub test_after {
    my ($peer) = @_;
    my $told = $peer->collect('told');
    act($peer, 'after', 10, $peer->id('told'));
    ok($peer->run_until(sub { @$told }), 'a message comes later');
    is_deeply($told, [['after']], 'once');
}

sub test_link_loss_here {
    my ($peer, $node, %option) = @_;
    my $told = $peer->collect('told');
    my $lost = AEMPPeer->dial($node->{address}, %option, node => 'lost');
    $lost->port(victim => sub { });
    act($peer, 'monitor', 'lost#victim', $peer->id('told'));
    act($peer, 'monitor', 'lost', $peer->id('told'));
    $peer->fence;
    ok($lost->run_until(sub { $lost->{watched}{victim} }), 'the node monitors a port of another');
    ok($peer->fence && !@$told, 'silent while the link is there');
    $lost->hang_up;
    ok($peer->run_until(sub { @$told == 2 }), 'told when the link goes');
    is_deeply([map { [@$_[0 .. 2]] } @$told], [(['gone', 'transport_error', 'lost']) x 2],
        'as a transport error');

    # The same ID again is a new link.
    my $again = AEMPPeer->dial($node->{address}, %option, node => 'lost');
    ok($again->fence, 'a peer that restarts under its ID is taken back');
    $again->hang_up;
}

# ---- The runs --------------------------------------------------------------------------------------

sub run_node {
    my ($shards, @more) = @_;
    my $node = PortolanProcess->start($portolan, 'run', '--node', 'rain', '--bind', '127.0.0.1:0',
        '--secret', $secret, '--shards', $shards, '--service', 'echo', '--service', 'sink', @more);
    is($node->{node},   'rain',  'the ready line names the node');
    is($node->{shards}, $shards, 'and its shards');
    return $node;
}

sub stop_node {
    my ($node) = @_;
    is($node->stop, 0, 'the node stops when told') or diag($node->log);
}

sub maybe_subtest {
    my ($name, $code) = @_;
    subtest $name => sub {
        eval { $code->(); 1 } or fail("died: $@");
    } if $name =~ /$pattern/;
}

for my $shards (1, 2) {
    for my $framing ('cbor', 'json') {
        my %option = (secret => $secret, accepts => [$framing], makes => [$framing]);
        maybe_subtest "we connect, $framing, shards $shards" => sub {
            my $node = run_node($shards);
            test_connection(AEMPPeer->dial($node->{address}, %option, node => "perl$framing"));
            stop_node($node);
        };
        maybe_subtest "the node joins us, $framing, shards $shards" => sub {
            my $listener = AEMPPeer::listen_socket();
            my $node = run_node($shards, '--seed', AEMPPeer::address_of($listener));
            my $peer = AEMPPeer->accept_from($listener, 30, %option, node => "seed$framing");
            ok($peer, 'the node comes to its seed') && test_connection($peer);
            stop_node($node);
        };
        maybe_subtest "the node acts on us, $framing, shards $shards" => sub {
            my $node = PortolanProcess->start($actor, '--node', 'actor', '--bind', '127.0.0.1:0',
                '--secret', $secret, '--shards', $shards);
            my $peer = AEMPPeer->dial($node->{address}, %option, node => 'perl');
            subtest 'monitor here' => sub { test_monitor_here($peer) };
            subtest 'kill here'    => sub { test_kill_here($peer) };
            subtest 'spawn here'   => sub { test_spawn_here($peer) };
            subtest 'call here'    => sub { test_call_here($peer) };
            subtest 'after'        => sub { test_after($peer) };
            subtest 'flood here'   => sub { test_flood_here($peer) };
            subtest 'link loss'    => sub { test_link_loss_here($peer, $node, %option) };
            stop_node($node);
        };
    }

    maybe_subtest "each side sends its own framing, shards $shards" => sub {
        my $node = run_node($shards);
        for my $pair (['cbor', 'json'], ['json', 'cbor']) {
            my $peer = AEMPPeer->dial($node->{address}, secret => $secret, node => 'mixed',
                accepts => [$pair->[0]], makes => [$pair->[1]]);
            is("$peer->{receives} $peer->{sends}", "@$pair", "we get $pair->[0], send $pair->[1]");
            test_values($peer);
            $peer->hang_up;
        }
        stop_node($node);
    };

    maybe_subtest "an opening in one segment reaches its shard whole, shards $shards" => sub {
        my $node = run_node($shards);
        for my $name (map { "script/$_" } 1 .. 16) {
            my $socket = IO::Socket::INET->new(PeerAddr => $node->{address}) or die "connect: $!\n";
            syswrite $socket, "aemp;1;$name;hmac_sha3_512;json\nanything\ncleartext;"
                . unpack('H*', $secret) . ";json\n"
                . join('', map { "[\"echo\",\"echo\",$_,\"$name#in\"]" } 1 .. 3);
            my ($text, $until) = ('', time + 30);
            while ($text !~ /\[\"in\",3/ && time < $until) {
                sysread $socket, $text, 65536, length $text or last;
            }
            my @lines = split /\n/, $text;
            is_deeply([($lines[3] // '') =~ /\["in",(\d)/g], [1, 2, 3], "$name is answered");
        }
        stop_node($node);
    };
}

# The command's own nodes join the script.
sub with_command {
    my ($arguments, $prepare, $code) = @_;
    my $listener = AEMPPeer::listen_socket();
    my $command  = PortolanProcess->spawn_process($portolan, @$arguments, '--seed',
        AEMPPeer::address_of($listener), '--secret', $secret);
    my $peer = AEMPPeer->accept_from($listener, 30, secret => $secret, node => 'perl',
        prepare => $prepare);
    if (!$peer) {
        fail("@$arguments: nobody came: " . $command->log);
        return;
    }
    $code->($peer, $command) if $code;
    my $until = time + 30;
    $peer->exchange(0.02) while !$peer->{closed} && !$command->ended && time < $until;
    select undef, undef, undef, 0.02 while !$command->ended && time < $until;
    ok($command->ended, "$arguments->[0] ends") ? is($command->code, 0, 'well') : $command->stop;
    diag($command->log) if $command->code;
    return $command->output;
}

maybe_subtest 'the command talks to us' => sub {
    my @got;
    with_command(['snd', 'perl#in', 'tag', '1', '{"k":[null]}', 'text'], sub {
        $_[0]->port(in => sub { my (undef, @values) = @_; push @got, \@values });
    });
    is_deeply(\@got, [['tag', 1, { k => [undef] }, 'text']], 'snd sends');

    my $output = with_command(['cal', 'perl#oracle', 'why'], sub {
        $_[0]->port(oracle => sub {
            my ($self, @values) = @_;
            $self->reply(pop @values, 'because', [1, 2.5, undef], "gr\x{fc}\x{df}e");
        });
    });
    is_deeply(JSON::XS->new->utf8->decode($output), ['because', [1, 2.5, undef], 'grüße'],
        'cal prints the answer');

    $output = with_command(['mon', 'perl#victim'], sub { $_[0]->port(victim => sub { }) }, sub {
        my ($peer) = @_;
        ok($peer->run_until(sub { $peer->{watched}{victim} }), 'mon monitors');
        $peer->die_port('victim', 'some', 'reason', 42);
    });
    is_deeply(JSON::XS->new->utf8->decode($output), ['some', 'reason', 42], 'mon prints the reason');

    my @init;
    $output = with_command(['spawn', 'perl', 'AEMPTest::port', 'init', '7'], sub {
        $_[0]{functions}{'AEMPTest::port'} = sub { @init = @_; sub { } };
    });
    is_deeply([@init[2 .. $#init]], ['init', 7], 'with its values');
    is($output, "perl#$init[1]\n", 'and prints the port');
};

done_testing;
