#!/usr/bin/perl
# perf/peers/peer_aemp.pl - AEMP in Perl: two processes, each the node of tests/peer/AEMPPeer.pm, as far as
# that stands for AnyEvent::MP: the same protocol on the same modules (CBOR::XS), without AnyEvent.
#
#   peer_aemp.pl WORK SIZE SECONDS WARM_UP IN_FLIGHT RATE BULK FILE
#
# Prints one line of JSON and writes the times, 8 bytes each, to FILE.
use strict;
use warnings;

use FindBin ();
use lib "$FindBin::Bin/../../tests/peer";

use AEMPPeer;
use Time::HiRes qw(clock_gettime CLOCK_MONOTONIC);

my ($work, $size, $seconds, $warm_up, $in_flight, $rate, $bulk, $file) = @ARGV;
die "usage: peer_aemp.pl WORK SIZE SECONDS WARM_UP IN_FLIGHT RATE BULK FILE\n" if !defined $file;
my $secret = 'a secret of good length';
alarm 60;

sub now { clock_gettime(CLOCK_MONOTONIC) }

# ---- The far end -------------------------------------------------------------------------------

sub run_far {
    my ($listener) = @_;
    my $count = 0;
    my $prepare = sub {
        my ($peer) = @_;
        $peer->port(sink => sub { $count++ });
        $peer->port(echo => sub { $_[0]->packet('in', $_[1]) });
        $peer->port(bulk => sub { $_[0]->packet('taken') });
        $peer->port(how_many => sub { $_[0]->packet('count', $count, now()) });
    };
    my $peer = AEMPPeer->accept_from($listener, 10, node => 'far', secret => $secret,
        accepts => ['cbor'], makes => ['cbor'], prepare => $prepare);
    $peer->run_until(sub { 0 }, 60);
    exit 0;
}

my $listener = AEMPPeer::listen_socket();
my $parent = $$;
my $child = fork // die "no process: $!\n";
if ($child == 0) {
    alarm 60;
    run_far($listener);
}
END { kill 'KILL', $child if defined $child && $child > 0 && $$ == $parent }

# ---- The near end ------------------------------------------------------------------------------

my $peer = AEMPPeer->dial(AEMPPeer::address_of($listener), node => 'near', secret => $secret,
    accepts => ['cbor'], makes => ['cbor']);
my ($warm_until, $until, @times);
my ($sent, $answered, $measured, $bulks) = (0, 0, 0, 0);
my $filler = 'x' x ($size - 8);

sub begin {
    $warm_until = now() + $warm_up;
    $until = $warm_until + $seconds;
}

sub request {
    my ($due) = @_;
    $sent++;
    $peer->packet('echo', pack('d', $due) . $filler);
}

sub take_answers {
    my ($again) = @_;
    $peer->port(in => sub {
        my $now = now();
        my $due = unpack 'd', $_[1];
        $answered++;
        $measured++ if $now >= $warm_until && $now < $until;
        push @times, ($now - $due) * 1e9 if $due >= $warm_until && $due < $until;
        request($now) if $again && $now < $until;
    });
}

sub drain {
    $peer->run_until(sub { $answered >= $sent }, 2);
}

# As much as goes; the far end counts between two questions, which come in order.
sub one_way {
    my @counts;
    my $value = 'x' x $size;
    my $burst = 65536 / $size < 1 ? 1 : int 65536 / $size;
    $peer->port(count => sub { push @counts, [@_[1, 2]] });
    my $asked = 0;
    begin();
    while (now() < $until) {
        if (!$asked && now() >= $warm_until) {
            $asked = 1;
            $peer->packet('how_many');
        }
        if (length $peer->{out} < 1 << 20) {
            $peer->packet('sink', $value) for 1 .. $burst;
            $sent += $burst;
        }
        $peer->exchange(length $peer->{out} < 1 << 20 ? 0 : 0.01);
    }
    $peer->packet('how_many');
    $peer->run_until(sub { @counts == 2 }, 10) or die "aemp: the far end does not answer\n";
    my ($first, $last) = @counts;
    return (($last->[0] - $first->[0]) / ($last->[1] - $first->[1]), $sent - $last->[0]);
}

sub closed_loop {
    take_answers(1);
    begin();
    request(now()) for 1 .. $in_flight;
    while (now() < $until) {
        $peer->exchange($until - now());
    }
    drain();
    return ($measured / $seconds, $sent - $answered);
}

sub send_bulk {
    $peer->packet('bulk', 'x' x $bulk);
}

sub open_loop {
    take_answers(0);
    begin();
    my $due = now();
    if ($work eq 'mixed') {
        $peer->port(taken => sub { $bulks++; send_bulk() if now() < $until });
        send_bulk();
    }
    for (my $now = now(); $now < $until; $now = now()) {
        while ($due <= $now) {
            request($due);
            $due += 1 / $rate;
        }
        $peer->exchange($due - now());
    }
    drain();
    return ($measured / $seconds, $sent - $answered);
}

my ($reached, $lost) = $work eq 'one-way' ? one_way() : $rate > 0 ? open_loop() : closed_loop();
open my $out, '>:raw', $file or die "$file: $!\n";
print $out pack 'Q*', @times;
close $out or die "$file: $!\n";
printf '{"system": "aemp", "work": "%s", "rate": %.0f, "bytes_per_second": %.0f, '
    . '"bulk_bytes_per_second": %.0f, "lost": %d, "disordered": 0}' . "\n",
    $work, $reached, $reached * $size, $bulks * $bulk / ($seconds + $warm_up), $lost;
