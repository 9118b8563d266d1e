#!/usr/bin/perl
# What real nodes said when they were recorded, said again, octet by octet, to a node of ours: its
# answers must mean what the real node's meant.  Requests of the global protocol (g_*) are part of
# what is sent, but no answers to them are expected yet.  Prints TAP.
#
#   ACTOR=build/plain/tests/peer_actor tests/peer/replay.pl [PATTERN]
use strict;
use warnings;

use FindBin ();
use lib $FindBin::Bin;

use AEMPPeer;
use PortolanProcess;
use Test::More;

alarm 300;
my $actor    = $ENV{ACTOR} // die "ACTOR must name the acting node\n";
my $pattern  = shift // '.';
my $captures = "$FindBin::Bin/../data/aemp-captures";

sub octets {
    my ($path) = @_;
    open my $file, '<:raw', $path or die "cannot read $path: $!\n";
    local $/;
    return scalar <$file>;
}

sub decode_all {
    my ($framing, $bytes) = @_;
    return CBOR::XS->new->incr_parse_multiple($bytes) if $framing eq 'cbor';
    my ($json, @packets) = (JSON::XS->new->utf8);
    $json->incr_parse($bytes);
    while (my $packet = $json->incr_parse) {
        push @packets, $packet;
    }
    return @packets;
}

# ---- Both kinds of recordings, in one form -------------------------------------------------------
# { name, secret, server, client, first: the client's first line, framing and back: of the two
#   directions, turns: [[from the client?, octets], ...] without the opening }

sub turns {
    my ($order, $sent, $back, $sent_from, $back_from) = @_;
    my @turns;
    my %at = (1 => 0, 0 => 0);
    for (@$order) {
        my ($ours, $size) = @$_;
        my ($bytes, $from) = $ours ? ($sent, $sent_from) : ($back, $back_from);
        my $begin = $at{$ours} < $from ? $from : $at{$ours};
        $at{$ours} += $size;
        push @turns, [$ours, substr $bytes, $begin, $at{$ours} - $begin] if $at{$ours} > $begin;
    }
    return \@turns;
}

sub joined {
    my $index = JSON::XS->new->utf8->decode(octets("$captures/index.json"));
    return map {
        my $capture = $_;
        my ($sent, $back) = map { octets("$captures/$capture->{name}.$_.bin") } qw(c2s s2c);
        my @order = map { [$_->[0] eq '>' ? 1 : 0, $_->[1]] } @{ $capture->{timeline} };
        {
            name    => $capture->{name},
            secret  => $index->{secret},
            server  => $capture->{server},
            client  => $capture->{client},
            first   => $capture->{c2s}{handshake}[0],
            framing => $capture->{framing},
            back    => $capture->{framing},
            turns   => turns(\@order, $sent, $back, $capture->{c2s}{handshake_bytes},
                $capture->{s2c}{handshake_bytes}),
        };
    } @{ $index->{captures} };
}

sub observed {
    my $index = JSON::XS->new->utf8->decode(octets("$captures/observed/index.json"));
    return map {
        my $capture = $_;
        my ($client, $server) = @{ $capture->{streams} }{qw(client_to_server server_to_client)};
        my ($sent, $back) = map { octets("$captures/observed/$_->{file}") } $client, $server;
        my @order = map { JSON::XS->new->decode($_) }
            split /\n/, octets("$captures/observed/$capture->{order_file}");
        @order = map { [$_->[1] eq 'c2s' ? 1 : 0, $_->[3]] } grep { $_->[2] ne 'eof' } @order;
        {
            name    => $capture->{name},
            secret  => $capture->{secret},
            server  => $server->{node},
            client  => $client->{node},
            first   => $client->{greeting1},
            framing => $client->{framing},
            back    => $server->{framing},
            turns   => turns(\@order, $sent, $back, $client->{packets_from}, $server->{packets_from}),
        };
    } grep { !$_->{tls} } @$index;
}

# ---- Meaning ---------------------------------------------------------------------------------------

my $canonical = JSON::XS->new->canonical->allow_nonref->allow_blessed->utf8;

# A text that is equal for packets of the same meaning; undef for what need not be answered.
sub meaning {
    my ($server, @packet) = @_;
    my ($name, $word, @rest) = @packet;
    return undef if $name eq '' && (!defined $word || $word eq '' || $word =~ /\A(?:g_|devnull)/);
    if ($name eq '') {
        return undef if $word eq 'mon0';    # a matter of housekeeping
    } elsif ($word eq 'sum') {
        return undef;                       # a call of a Perl function
    } elsif ($word =~ /\Atime/) {
        $rest[-1] = $rest[-1] > 1e9 ? 'the time' : 'no time';
    } elsif ($word =~ /\Acan/) {
        $rest[-1] = $rest[-1] ? 'yes' : 'no';
    } elsif ($word eq 'eval') {
        @rest = ('an answer');              # ours is an error, always
    } elsif ($word eq 'strict') {
        $rest[0] =~ s/\A\Q$server\E#.+\z/a port/;
    }
    # Truth values and numbers of Perl may come as strings, bytes as text.
    return $canonical->encode(words([$name, $word, @rest]));
}

sub words {
    my ($value) = @_;
    return undef if !defined $value;
    return [map { words($_) } @$value] if ref $value eq 'ARRAY';
    return { map { $_ => words($value->{$_}) } keys %$value } if ref $value eq 'HASH';
    return ref $value ? ($value ? '1' : '') : "$value";
}

# What is said of one port, or to one, keeps its order; between ports there is none.
sub by_name {
    my %names;
    for (@_) {
        my ($name, $meaning) = @$_;
        my (undef, undef, $about) = $name eq '' ? @{ $canonical->decode($meaning) } : ();
        push @{ $names{ $name eq '' ? "of $about" : $name } }, $meaning;
    }
    return \%names;
}

# ---- The run ---------------------------------------------------------------------------------------

# What the real node's own program did at some moment, before it said so.
my %cue = (
    '["","kil0","target","some","reason","42"]' =>
        sub { $_[0]->packet('actor', 'kill', "$_[1]#target", 'some', 'reason', 42) },
);

sub replay {
    my ($capture) = @_;
    my $node = PortolanProcess->start($actor, '--node', $capture->{server}, '--bind', '127.0.0.1:0',
        '--secret', $capture->{secret}, '--shards', 2, '--stage');
    my $peer = AEMPPeer->dial($node->{address}, secret => $capture->{secret},
        node => $capture->{client}, first => $capture->{first}, makes => [$capture->{framing}],
        accepts => [$capture->{back}]);
    is($peer->{receives}, $capture->{back}, 'the node sends in the same framing');
    my (@expected, @got);
    $peer->{on_packet} = sub {
        my (@packet) = @_;
        my $meaning = meaning($capture->{server}, @packet);
        push @got, [$packet[0], $meaning] if defined $meaning;
    };
    my $all_there = sub {
        my ($want, $have) = (by_name(@expected), by_name(@got));
        return !grep { @{ $have->{$_} // [] } < @{ $want->{$_} } } keys %$want;
    };
    for my $turn (@{ $capture->{turns} }) {
        my ($ours, $bytes) = @$turn;
        if ($ours) {
            $peer->raw($bytes);
            next;
        }
        for (decode_all($capture->{back}, $bytes)) {
            my $meaning = meaning($capture->{server}, @$_) // next;
            $cue{$meaning}->($peer, $capture->{server}) if $cue{$meaning};
            push @expected, [$_->[0], $meaning];
        }
        $peer->run_until($all_there, 10) or last;
    }
    ok($peer->fence, 'the link is still there') or diag($node->log);
    # How often the node asks to monitor one port of ours is its own affair.
    my %seen;
    @got = grep { $_->[1] !~ /\A\["","mon1"/ || !$seen{ $_->[1] }++ } @got;
    is_deeply(by_name(@got), by_name(@expected), 'the answers mean the same');
    if ($capture->{name} =~ /burst/) {
        my $sunk = $peer->collect('sunk');
        $peer->packet('sink', 'count', $peer->id('sunk'));
        ok($peer->run_until(sub { @$sunk }), 'the sink answers');
        is($sunk->[0][0], 1000, 'and has got everything');
    }
    is($node->stop, 0, 'the node stops when told') or diag($node->log);
}

for my $capture (joined(), observed()) {
    next if $capture->{name} !~ /$pattern/;
    subtest $capture->{name} => sub {
        eval { replay($capture); 1 } or fail("died: $@");
    };
}
done_testing;
