#!/usr/bin/perl
# Everything that a peer may say of the database and should not.  Each case costs one line in the log
# and nothing else: the node goes on, and another node that is linked to it has the same database.
# Prints TAP.
#
#   ACTOR=build/plain/tests/peer_actor tests/peer/bad_database.pl [PATTERN]
use strict;
use warnings;

use FindBin ();
use lib $FindBin::Bin;

use AEMPDatabase;
use POSIX ();
use PortolanProcess;
use Test::More;
use Time::HiRes qw(time sleep);

alarm 300;
$SIG{PIPE} = 'IGNORE';

my $actor   = $ENV{ACTOR} // die "ACTOR must name the acting node\n";
my $pattern = shift // '.';
my $secret  = 'a secret of good length';
my $entries = 300;     # of one node in one shard of ours
my $value   = 1000;    # bytes of a value
my $json    = JSON::XS->new->canonical->allow_nonref;

my $rain = PortolanProcess->start($actor, '--node', 'rain', '--bind', '127.0.0.1:0', '--secret',
    $secret, '--shards', 2, '--quiet', '--entries', $entries, '--value', $value);
my $snow = PortolanProcess->start($actor, '--node', 'snow', '--bind', '127.0.0.1:0', '--secret',
    $secret, '--shards', 1, '--quiet', '--seed', $rain->{address});

# ---- Who looks on --------------------------------------------------------------------------------

my %control = map {
    $_->{node} => AEMPPeer->dial($_->{address}, secret => $secret, node => "control of $_->{node}")
} $rain, $snow;

sub act_and_hear {
    my ($node, @command) = @_;
    my $control = $control{$node};
    my $told    = $control->collect('told');
    $control->packet('actor', @command, $control->id('told'));
    return $control->run_until(sub { @$told }, 20) ? $told->[0] : ['silence'];
}

# All that is in the database of a node, but where nodes listen that are gone again in a moment.
sub database_of {
    my ($node) = @_;
    return $json->encode({ map { $_ => act_and_hear($node, 'family', $_)->[1] } 'fam', 'good', "'g" });
}

# A node's database comes to look like this: each shard takes its part of what was said in its turn.
sub shows {
    my ($node, $pattern, $name) = @_;
    my $until = time + 10;
    my $database = database_of($node);
    $database = database_of($node) while $database !~ $pattern && time < $until;
    like($database, $pattern, $name);
}

my $songs = 0;

# Both nodes work, and agree.
sub nodes_agree {
    my ($name) = @_;
    $songs++;
    $control{$_}->packet('actor', 'set', 'songs', $_, $songs) for 'rain', 'snow';
    my ($until, @songs, @databases) = (time + 20);
    do {
        @songs     = map { $json->encode(act_and_hear($_, 'family', 'songs')->[1]) } 'rain', 'snow';
        @databases = map { database_of($_) } 'rain', 'snow';
    } until ($songs[0] eq $songs[1] && $songs[0] eq qq({"rain":$songs,"snow":$songs})
        && $databases[0] eq $databases[1]) || time > $until;
    is($songs[1], qq({"rain":$songs,"snow":$songs}), 'both nodes go on');
    is($databases[1], $databases[0], 'and have the same database');
    return $databases[0];
}

my $peers = 0;

# A peer that has attached itself with a database of these families, or has not.
sub attached {
    my ($framing, $database) = @_;
    my $peer = AEMPPeer->dial($rain->{address}, secret => $secret, node => 'bad' . ++$peers,
        accepts => [$framing], makes => [$framing], keys => ['mproto=1', 'gproto=1']);
    $peer->packet('', 'g_slave', $database) if $database;
    $peer->fence or fail('linked');
    return $peer;
}

# The next one, of another name, when there is one already.
sub another {
    my ($peer, @how) = @_;
    $peer->hang_up if $peer;
    return attached(@how);
}

# A shard remembers 32 kinds of lines for 5 s; of more it only counts the lines.  Ask for fewer.
my @wanted_at;

sub pace {
    if (@wanted_at == 28) {
        my $pause = 5.2 - (time - shift @wanted_at);
        sleep $pause if $pause > 0;
    }
    push @wanted_at, time;
}

# The lines that are logged for this; waits for the first, and for what both nodes do afterwards.  A
# line is written some time after the event whose time it has: those of what was before do not count.
sub lines_of {
    my ($node, $code, $wanted) = @_;
    pace() if $wanted;
    my $since = stamp();
    my ($until, @lines) = (time + 10);
    $code->();
    while ($wanted && !@lines && time < $until) {
        sleep 0.01;
        push @lines, grep { $_ ge $since } $node->new_log_lines;
    }
    nodes_agree();
    return (@lines, grep { $_ ge $since } $node->new_log_lines);
}

# Now, as a line of the log has it at its beginning.
sub stamp {
    my $now = time;
    return POSIX::strftime('%Y-%m-%dT%H:%M:%S', gmtime $now) . sprintf '.%03dZ', 1000 * ($now - int $now);
}

# What is sent must cost $wanted lines with these words, and leave the link as it is.  The log shows
# 4 lines of a kind about one node in 5 s: who has more cases than that has a peer for each few.
sub costs {
    my ($wanted, $words, $peer, $what, @packets) = @_;
    my @lines = lines_of($rain, sub {
        $peer->packet('', @$_) for @packets;
        $peer->fence or fail("$what: the link goes on");
    }, $wanted);
    is(scalar @lines, $wanted, "$what: lines") or diag(join "\n", @lines);
    like($_, qr/$peer->{node}.*$words/, 'in these words') for @lines;
}

sub bad_input {
    my ($name, $code) = @_;
    return if $name !~ /$pattern/;
    for my $framing ('cbor', 'json') {
        subtest "$name, $framing" => sub {
            eval { $code->($framing); 1 } or fail("died: $@");
            ok(!$rain->ended && !$snow->ended, 'the nodes live') or BAIL_OUT($rain->log);
        };
    }
}

# ---- Names and values ----------------------------------------------------------------------------

bad_input 'a family outside the allowed form' => sub {
    my ($framing) = @_;
    my $peer;
    for my $family ('', 'x' x 256, 'x' x 2000, undef, [], {}) {
        $peer = another($peer, $framing, {});
        my $shown = length($family // '') > 40 ? ".*'x{40}\\.\\.\\.'" : '';
        costs(1, "family$shown", $peer, $json->encode($family // 'null'), ['g_upd', $family, { key => 1 }]);
    }
    costs(0, '', $peer, 'of any other', map { ['g_upd', $_, { key => 1 }] }
        '1a', "'x", 'a-b', 'a.b', 'a b', '#', "a\xe4", 5);
    costs(1, 'family', $peer, 'in a whole database', ['g_slave', { '' => { key => 1 }, good => { key => 2 } }]);
    shows('snow', qr/"good":\{"key":2\}/, 'the rest of which is taken');
    $peer->hang_up;
};

bad_input 'a key outside the allowed form' => sub {
    my ($framing) = @_;
    my $peer;
    for my $key ('', 'k' x 1025, "\x{20ac}" x 342) {
        $peer = another($peer, $framing, {});
        my $name = length $key ? length($key) . ' letters' : 'empty';
        costs(1, 'key', $peer, $name, ['g_upd', 'fam', { $key => 1, good => 2 }]);
        shows('snow', qr/"fam":\{"good":2\}/, 'the rest is taken');
        costs(1, 'key', $peer, "$name, deleted", ['g_upd', 'fam', undef, [$key, 'good']]);
    }
    costs(1, 'key', $peer, 'a deleted key that is no string', ['g_upd', 'fam', undef, [[]]]);
    costs(1, 'key', $peer, 'in a whole database', ['g_slave', { fam => { '' => 1 }, good => { key => 2 } }]);
    shows('snow', qr/"fam":\{\},"good":\{"key":2\}/, 'the rest of which is taken');
    $peer->hang_up;
};

bad_input 'a value over the limit' => sub {
    my ($framing) = @_;
    my $peer = attached($framing, {});
    $peer->packet('', 'g_upd', 'fam', { key => 'x' x ($value - 3), good => 1 });
    costs(1, "family 'fam': .*limit", $peer, 'a string', ['g_upd', 'fam', { other => 'x' x $value, good => 2 }]);
    shows('snow', qr/"fam":\{"good":2,"key":"x+"\}/, 'the rest is taken');
    costs(1, "family 'fam': .*limit", $peer, 'a list', ['g_upd', 'fam', { other => [(1) x $value] }]);
    costs(1, "family 'fam': .*limit", $peer, 'in a whole database', ['g_slave', { fam => { key => 'x' x $value } }]);
    shows('snow', qr/"fam":\{\}/, 'where it is left out');
    $peer->hang_up;
};

# ---- Updates -------------------------------------------------------------------------------------

bad_input 'an update with the same key in set and del' => sub {
    my ($framing) = @_;
    my $peer = attached($framing, { fam => { key => 1 } });
    costs(1, "family 'fam': .*sets and deletes", $peer, 'one key', ['g_upd', 'fam', { key => 2, new => 3 }, ['key']]);
    shows('snow', qr/"fam":\{"key":1\}/, 'nothing of it is taken');
    costs(1, "family 'fam': .*sets and deletes", $peer, 'among many',
        ['g_upd', 'fam', { map { ("k$_" => $_) } 1 .. 100 }, [(map { "d$_" } 1 .. 99), 'k50']]);
    $peer->hang_up;
};

bad_input 'a deletion of what is not there' => sub {
    my ($framing) = @_;
    my $peer = attached($framing, { fam => { key => 1 } });
    costs(0, '', $peer, 'a key', ['g_upd', 'fam', undef, ['other']]);
    costs(0, '', $peer, 'a family', ['g_upd', 'none', undef, ['key']]);
    costs(0, '', $peer, 'nothing at all', ['g_upd', 'fam', {}, []], ['g_upd', 'fam', undef], ['g_upd', 'fam']);
    costs(0, '', $peer, 'twice', ['g_upd', 'fam', undef, ['key', 'key']]);
    shows('snow', qr/"fam":\{\}/, 'what was there is gone');
    $peer->hang_up;
};

bad_input 'an update of another form' => sub {
    my ($framing) = @_;
    my $peer = attached($framing, { fam => { key => 1 } });
    costs(1, '', $peer, 'a set that is ' . $json->encode($_), ['g_upd', 'fam', $_]) for 1, 'text', [];
    $peer = another($peer, $framing, { fam => { key => 1 } });
    costs(1, '', $peer, 'a del that is ' . $json->encode($_), ['g_upd', 'fam', { key => 2 }, $_])
        for 1, 'text', {};
    $peer = another($peer, $framing, { fam => { key => 1 } });
    costs(1, '', $peer, 'a database that is ' . $json->encode($_), ['g_slave', $_]) for 1, 'text', [];
    costs(1, '', $peer, 'a family that is no map', ['g_slave', { fam => [1], good => { key => 3 } }]);
    shows('snow', qr/"fam":\{\},"good":\{"key":3\}/, 'the rest is taken');
    $peer->hang_up;
};

bad_input 'an update from a node that never announced a database' => sub {
    my ($framing) = @_;
    my $peer = attached($framing);
    costs(1, '', $peer, 'an update', ['g_upd', 'fam', { key => 1 }]);
    costs(1, '', $peer, 'a deletion', ['g_upd', 'fam', undef, ['key']]);
    shows('rain', qr/"fam":\{\}/, 'it is not taken');
    costs(0, '', $peer, 'a database', ['g_slave', { fam => { key => 2 } }]);
    shows('rain', qr/"fam":\{"key":2\}/, 'when it has one it is');
    $peer->hang_up;
};

# ---- Answers and changes that nobody waits for ---------------------------------------------------

bad_input 'an answer to no question' => sub {
    my ($framing) = @_;
    my $peer;
    for my $id ('b', 1, undef, '', [], 2**40) {
        $peer = another($peer, $framing, {});
        costs(1, '', $peer, $json->encode($id), ['g_reply', $id, {}]);
    }
    costs(1, '', $peer, 'an address', ['g_found', 'nosuch', ['127.0.0.1:1']]);
    $peer->hang_up;
};

bad_input 'changes from a node that is not the master' => sub {
    my ($framing) = @_;
    my $peer = attached($framing, {});
    costs(1, '', $peer, 'g_chg1', ['g_chg1', 'fam', { key => 1 }]);
    costs(1, '', $peer, 'g_chg2', ['g_chg2', 'fam', { key => 1 }, []]);
    shows('rain', qr/"fam":\{\}/, 'are not taken');
    $peer->hang_up;
};

# A node of ours whose master we are: what may we tell it?
bad_input 'changes before there is a copy' => sub {
    my ($framing) = @_;
    my $listener = AEMPPeer::listen_socket();
    my $hail = PortolanProcess->start($actor, '--node', 'hail', '--secret', $secret, '--shards', 2,
        '--quiet', '--ordinary', '--bind', '127.0.0.1:0', '--seed', AEMPPeer::address_of($listener));
    my $attached;
    my $master = AEMPPeer->accept_from($listener, 20, secret => $secret, node => 'master',
        accepts => [$framing], makes => [$framing], keys => ['mproto=1', 'gproto=1'],
        on_packet => sub { $attached ||= ref $_[2] && $_[1] eq 'g_slave' });
    ok($master->run_until(sub { $attached }, 20), 'it attaches to us');
    local $control{hail} = AEMPPeer->dial($hail->{address}, secret => $secret, node => 'control');
    my @changes;
    $control{hail}->port(copy => sub { my (undef, @values) = @_; push @changes, \@values });
    my $expect = sub {
        my ($wanted, $what, @packets) = @_;
        my @lines = lines_of($hail, sub {
            $master->packet('', @$_) for @packets;
            $master->fence or fail("$what: the link goes on");
        }, $wanted);
        is(scalar @lines, $wanted, "$what: lines") or diag(join "\n", @lines);
    };
    my @asked;
    $master->{on_packet} = sub { push @asked, join ' ', map { $_ // '' } @_[1, 2] };
    # It may have watched until just now: no line for that.
    $expect->(0, 'of a family that nobody watches', ['g_chg2', 'fam', { key => 1 }, []],
        ['g_chg1', 'fam', { key => 1 }]);
    $control{hail}->packet('actor', 'watch', 'fam', 'control#copy');
    $control{hail}->fence;
    ok($master->run_until(sub { grep { $_ eq 'g_mon1 fam' } @asked }, 20), 'somebody watches');
    $expect->(1, 'a change before the copy', ['g_chg2', 'fam', { key => 2 }, []]);
    is_deeply(\@changes, [], 'nobody is told');
    $expect->(0, 'the copy', ['g_chg1', 'fam', { key => 3 }]);
    $control{hail}->run_until(sub { @changes == 2 }, 20);
    is_deeply(\@changes, [['added', 'fam', 'key', 3], ['copied', 'fam']], 'is told');
    # What a master says is taken as it stands: first what is deleted, then what is set.
    $expect->(0, 'a key in set and del', ['g_chg2', 'fam', { key => 4 }, ['key']]);
    $control{hail}->run_until(sub { @changes == 3 }, 20);
    is_deeply($changes[-1], ['changed', 'fam', 'key', 4], 'is set');
    $expect->(1, 'a key that is none', ['g_chg2', 'fam', { '' => 4 }, []]);
    $expect->(1, 'no map', ['g_chg1', 'fam', 'text']);
    $expect->(0, 'the next change', ['g_chg2', 'fam', { key => 5 }, []]);
    $control{hail}->run_until(sub { @changes == 4 }, 20);
    is_deeply($changes[-1], ['changed', 'fam', 'key', 5], 'is told too');
    $expect->(1, 'an answer to no question', ['g_reply', 'b', {}]);
    my $other = AEMPPeer->dial($hail->{address}, secret => $secret, node => 'other',
        keys => ['mproto=1', 'gproto=1']);
    my @lines = lines_of($hail, sub {
        $other->packet('', 'g_chg1', 'fam', { key => 6 });
        $other->fence;
    }, 1);
    is(scalar @lines, 1, 'another than its master: lines') or diag(join "\n", @lines);
    is($hail->stop, 0, 'the node stops when told') or diag($hail->log);
};

# ---- Addresses -----------------------------------------------------------------------------------

bad_input 'addresses that are not addresses' => sub {
    my ($framing) = @_;
    for my $addresses ('127.0.0.1:1', 7, undef, {}, ['no port'], [1, 2], [[]], [''], ['x' x 900],
        ['127.0.0.1:99999'], ['127.0.0.1:-1'], [("\0")], ['[::1'], [(':') x 50]) {
        my $peer = attached($framing, { "'l" => { lost => $addresses } });
        my $name = substr $json->encode($addresses // undef), 0, 30;
        my @gone;
        my @lines = lines_of($rain, sub {
            # Until it is there, the node is not known at all.
            my $until = time + 10;
            sleep 0.005 while $json->encode(act_and_hear('rain', 'get', "'l", 'lost'))
                ne $json->encode(['found', $addresses]) && time < $until;
            @gone = @{ act_and_hear('rain', 'monitor', 'lost#port') };
        }, 0);
        is_deeply([@gone[0 .. 2]], ['gone', 'transport_error', 'lost'], "$name: the node is not reached");
        cmp_ok(scalar @lines, '<=', 1, 'for a line at most') or diag(join "\n", @lines);
        $peer->hang_up;
    }
};

# ---- Too much ------------------------------------------------------------------------------------

bad_input 'a database over the limit of entries' => sub {
    my ($framing) = @_;
    my %much = map { ("key$_" => $_) } 1 .. 2 * $entries;
    for my $case (['at once', sub { $_[0]->packet('', 'g_slave', { fam => \%much }) }],
        ['in one update', sub { $_[0]->packet('', 'g_upd', 'fam', \%much) }],
        ['one by one', sub { my $peer = shift; $peer->packet('', 'g_upd', 'fam', { $_ => 1 }) for sort keys %much }]) {
        my ($name, $send) = @$case;
        my $peer  = attached($framing, { fam => { first => 1 } });
        my @lines = lines_of($rain, sub {
            $send->($peer);
            ok($peer->run_until_closed(20), "$name: the link is ended");
        }, 1);
        is(scalar(grep { /the database of $peer->{node}: .*limit/ } @lines), 1, 'a line says why');
        is(scalar @lines, 1, 'and no other') or diag(join "\n", @lines);
        shows('snow', qr/"fam":\{\}/, 'and all that the node had is gone');
    }
    my $peer = attached($framing, {});
    costs(0, '', $peer, 'another node may have as many as the limit',
        ['g_upd', 'fam', { map { ("key$_" => $_) } 1 .. $entries }]);
    $peer->hang_up;
};

# ---- Whatever else -------------------------------------------------------------------------------

bad_input 'requests with missing or wrong arguments' => sub {
    my ($framing) = @_;
    my $peer = attached($framing, {});
    for my $request (qw(g_find g_found g_db_family g_db_keys g_db_values g_reply g_mon1 g_mon0 g_chg1
        g_chg2 g_upd g_set g_nonsense)) {
        $peer->packet('', $request, @$_)
            for [], [undef], [''], [1], [[]], [{}], ["\0"], ['x' x 5000], ['fam'], ['fam', undef],
            ['fam', []], ['fam', {}], ['fam', '', ''], ["'l"], ["'g", []], ['no family!', 'b'];
    }
    ok($peer->fence, 'the link goes on');
    nodes_agree();
    $peer->hang_up;
};

# What only nodes of ours say to each other, from one that is none.
bad_input 'owners from a stranger' => sub {
    my ($framing) = @_;
    my $peer = attached($framing, {});
    my $before = database_of('rain');
    for my $owner ('rain', 'snow', $peer->{node}, 'nobody', '', undef, [], 'a#b', 'x' x 300) {
        for my $number (0, 1, 2**53, -1, 'text', undef) {
            $peer->packet('', 'portolan::db_owner', $owner, $number);
            $peer->packet('', 'portolan::db', $owner, $number, 'fam', { key => 'stolen' }, []);
            $peer->packet('', 'portolan::db', $owner, $number, 'songs', undef, ['rain', 'snow']);
            $peer->packet('', 'portolan::db_lost', $owner, $number);
        }
    }
    ok($peer->fence, 'the link goes on');
    is(nodes_agree(), $before, 'nothing has changed');
    $peer->hang_up;
};

for my $node ($snow, $rain) {
    is($node->stop, 0, "$node->{node} stops when told") or diag($node->log);
}
done_testing;
