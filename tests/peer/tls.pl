#!/usr/bin/perl
# An independent AEMP node whose TLS is OpenSSL's against a real node process: as client and as
# server of TLS, whoever has connected, in both versions, with AEMP's kind of certificate and with an
# authority's.  Prints TAP.
#
#   PORTOLAN=build/plain/portolan tests/peer/tls.pl
use strict;
use warnings;

use File::Copy qw(copy);
use File::Temp ();
use FindBin ();
use lib $FindBin::Bin;

use AEMPPeer;
use PortolanProcess;
use Test::More;

alarm 600;

my $portolan = $ENV{PORTOLAN} // die "PORTOLAN must name the command to test\n";
my $data     = "$FindBin::Bin/../data/tls";
my $folder   = File::Temp->newdir;

# A node's nonce begins with neither: so it is known who is the client.
my %nonces = (client => '!low', server => '~high');

# A copy that only we may read, which a checkout need not be.
sub private {
    my ($name) = @_;
    copy("$data/$name", "$folder/$name") or die "$name: $!\n";
    chmod 0600, "$folder/$name";
    return "$folder/$name";
}

my %kinds = (
    pair => {
        node => ['--cert', private('pair-a.pem')],
        peer => { cert => "$data/pair-a.pem" },
    },
    authority => {
        node => ['--tls-cert', "$data/rain.pem", '--tls-key', private('rain.key'), '--tls-ca',
            "$data/harbour.pem", '--tls-verify-node'],
        peer => { cert => "$data/snow.pem", key => "$data/snow.key", ca => "$data/harbour.pem" },
    },
);

sub start_node {
    my ($kind, @more) = @_;
    return PortolanProcess->start($portolan, 'run', '--node', 'rain', '--bind', '127.0.0.1:0',
        '--shards', 2, '--service', 'echo', '--tls', 'require', @{ $kinds{$kind}{node} }, @more);
}

sub options {
    my ($kind, $role, $framing, $version) = @_;
    return (
        node => 'snow', nonce => $nonces{$role}, accepts => [$framing], makes => [$framing],
        tls => { %{ $kinds{$kind}{peer} }, version => $version },
    );
}

sub test_link {
    my ($peer, $version) = @_;
    my $in = $peer->collect('in');
    is($peer->{sealing}->version, $version, 'the version is the one that was asked for');
    for my $text ('hello', 'x' x 100_000) {
        @$in = ();
        $peer->packet('echo', 'echo', $text, $peer->id('in'));
        ok($peer->run_until(sub { @$in }) && $in->[0][0] eq $text, length($text) . ' bytes come back');
    }
}

for my $kind (sort keys %kinds) {
    my $node = start_node($kind);
    for my $role (sort keys %nonces) {
        my $framing = 'cbor';
        for my $version (qw(TLSv1.2 TLSv1.3)) {
            $framing = $framing eq 'cbor' ? 'json' : 'cbor';
            subtest "$kind: connects, $role of TLS, $version, $framing" => sub {
                my $peer = AEMPPeer->dial($node->{address},
                    options($kind, $role, $framing, $version));
                test_link($peer, $version);
                $peer->hang_up;
            };
        }
        subtest "$kind: is connected to, $role of TLS" => sub {
            my $listener = AEMPPeer::listen_socket();
            my $other = start_node($kind, '--seed', AEMPPeer::address_of($listener));
            my $peer = AEMPPeer->accept_from($listener, 30,
                options($kind, $role, $framing, 'TLSv1.3'));
            test_link($peer, 'TLSv1.3');
            $peer->hang_up;
            is($other->stop, 0, 'and ends in order');
        };
    }
    is($node->stop, 0, "$kind: the node ends in order");
}

# OpenSSL as server takes a client's no for the end.
subtest 'another handshake inside the first is not to be had' => sub {
    my $node = start_node('pair', '--log', 'debug');
    my %dialled = map {
        $_ => AEMPPeer->dial($node->{address},
            options('pair', $_, 'cbor', 'TLSv1.2'), node => "snow as $_")
    } sort keys %nonces;
    test_link($_, 'TLSv1.2'), $_->{sealing}->renegotiate for values %dialled;
    ok($dialled{client}->run_until_closed, 'who begins one is sent away');
    ok(!eval { $dialled{server}->run_until_closed; 1 }, 'who asks for one');
    like($@, qr/no renegotiation/, 'is told no');
    is($node->stop, 0, 'and the node goes on');
    like($node->log, qr/lost the link to snow as client: TLS failed/, 'and says so');
};

subtest 'another certificate is refused' => sub {
    my $node = start_node('pair', '--log', 'debug');
    for my $role (sort keys %nonces) {
        my %wrong = (options('pair', $role, 'cbor', 'TLSv1.3'),
            tls => { cert => "$data/pair-b.pem", ca => "$data/pair-a.pem" });
        ok(!eval { AEMPPeer->dial($node->{address}, %wrong) }, "as $role");
    }
    is($node->stop, 0, 'and the node goes on');
    my @why = grep { /of no authority that is trusted/ } split /\n/, $node->log;
    is(scalar @why, 2, 'and says why');
};

done_testing;
