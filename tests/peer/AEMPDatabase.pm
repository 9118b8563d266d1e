# The database of an AEMP node of its own, as an ordinary node or as a global one, by the rules of the
# protocol alone: beside AEMPPeer, which carries it, it shares nothing with the C sources.
#
#   my $leaf = AEMPDatabase->new(node => 'leaf', secret => '...');
#   $leaf->dial('127.0.0.1:4040', seed => 1);
#   $leaf->set(fam => key => 'value');
#   $leaf->watch('fam');
#   AEMPDatabase::run_until([$leaf], sub { $leaf->{copy}{fam}{key} }) or die;
#
# One object is one node with all its connections.  Nothing happens but inside run_until().
package AEMPDatabase;

use strict;
use warnings;

use AEMPPeer;
use JSON::XS ();
use Time::HiRes qw(time);

# Options: node, secret, global => whether it is one from the beginning, and those of AEMPPeer for
# all its connections.
sub new {
    my ($class, %option) = @_;
    my $self = bless {
        global  => delete $option{global},
        node    => $option{node},
        options => { %option },
        of      => { $option{node} => {} },    # NODE -> FAMILY -> KEY -> VALUE
        latest  => {},                         # FAMILY -> KEY -> who set it last
        peers   => {},                         # NODE -> its connection
        copy    => {},                         # FAMILY -> KEY -> VALUE, of what we watch
        copied  => {},                         # FAMILY -> how often it came whole
        watched => {},                         # FAMILY -> 1
        asked   => {},                         # ID -> [REQUEST, FAMILY, CODE]
        sought  => {},                         # NODE -> [CODE...]
        said    => [],                         # what came of the global protocol: [NODE, VALUES...]
        number  => 0,
    }, $class;
    $self->{listener} = AEMPPeer::listen_socket();
    $self->{address}  = AEMPPeer::address_of($self->{listener});
    $self->store($self->{node}, "'l", { $self->{node} => [$self->{address}] });
    $self->become_global if $self->{global};
    return $self;
}

# ---- Connections ---------------------------------------------------------------------------------

sub dial {
    my ($self, $address, %option) = @_;
    return AEMPPeer->dial($address, %{ $self->{options} }, database => $self, %option);
}

sub accept_one {
    my ($self, %option) = @_;
    return AEMPPeer->accept_from($self->{listener}, 10, %{ $self->{options} }, database => $self,
        %option);
}

# Go on until $done->() is true, with all connections of these nodes and whoever connects to them.
sub run_until {
    my ($nodes, $done, $timeout) = @_;
    my $until = time + ($timeout // $AEMPPeer::TIMEOUT);
    until ($done->()) {
        return 0 if time > $until;
        turn($nodes, $until - time);
    }
    return 1;
}

sub turn {
    my ($nodes, $timeout) = @_;
    my ($readable, $writable) = ('', '');
    my @peers = map { values %{ $_->{peers} } } @$nodes;
    vec($readable, fileno $_->{socket}, 1) = 1 for @peers;
    vec($writable, fileno $_->{socket}, 1) = 1 for grep { $_->{out} ne '' } @peers;
    vec($readable, fileno $_->{listener}, 1) = 1 for grep { $_->{listener} } @$nodes;
    select($readable, $writable, undef, $timeout < 0.05 ? $timeout : 0.05);
    $_->exchange(0) for @peers;
    for my $node (@$nodes) {
        # One that is refused, or thinks better of it, is none.
        eval { $node->accept_one } if $node->{listener} && vec $readable, fileno $node->{listener}, 1;
        $node->lost($_) for grep { $_->{closed} } values %{ $node->{peers} };
    }
}

sub hang_up {
    my ($self) = @_;
    close delete $self->{listener} if $self->{listener};
    $_->hang_up for values %{ $self->{peers} };
    $self->{peers} = {};
}

sub linked {
    my ($self, $peer) = @_;
    $self->{peers}{ $peer->{other_node} } = $peer;
    $peer->packet('', 'g_slave')  if $peer->{seed};
    $peer->packet('', 'g_global') if $self->{global};
    $self->attach($peer)          if $peer->{seed} && !$self->{global} && !$self->{master};
}

sub lost {
    my ($self, $peer) = @_;
    my $node = $peer->{other_node};
    $self->clear($node) if $self->{global};
    delete $self->{peers}{$node};
    if ($self->{global}) {
        $self->update($self->{node}, $_, {}, [$node]) for $peer->{is_global} ? ("'l", "'g") : ();
    } elsif ($self->{master} && $self->{master} == $peer) {
        delete $self->{master};
        my ($next) = grep { $_->{seed} } values %{ $self->{peers} };
        $self->attach($next) if $next;
    }
}

# ---- An ordinary node ----------------------------------------------------------------------------

# This seed is our master now: it gets all that we have, and everything that is open.
sub attach {
    my ($self, $peer) = @_;
    $self->{master} = $peer;
    $peer->packet('', 'g_slave', $self->{of}{ $self->{node} });
    $peer->packet('', 'g_mon1', $_) for sort keys %{ $self->{watched} };
    $peer->packet('', @{ $self->{asked}{$_} }[0, 1], $_) for sort keys %{ $self->{asked} };
    $peer->packet('', 'g_find', $_) for sort keys %{ $self->{sought} };
}

sub set {
    my ($self, $family, $key, $value) = @_;
    return $self->update($self->{node}, $family, { $key => $value }, []) if $self->{global};
    $self->{of}{ $self->{node} }{$family}{$key} = $value;
    $self->{master}->packet('', 'g_upd', $family, { $key => $value }) if $self->{master};
}

sub del {
    my ($self, $family, $key) = @_;
    return $self->update($self->{node}, $family, {}, [$key]) if $self->{global};
    delete $self->{of}{ $self->{node} }{$family}{$key};
    $self->{master}->packet('', 'g_upd', $family, undef, [$key]) if $self->{master};
}

sub watch {
    my ($self, $family) = @_;
    $self->{watched}{$family} = 1;
    $self->{copy}{$family} = $self->merged($family) if $self->{global};
    $self->{master}->packet('', 'g_mon1', $family) if $self->{master};
}

sub unwatch {
    my ($self, $family) = @_;
    delete $self->{watched}{$family};
    $self->{master}->packet('', 'g_mon0', $family) if $self->{master};
}

# $what: family, keys or values; $code gets the result.
sub ask {
    my ($self, $what, $family, $code) = @_;
    my $id = 'q' . ++$self->{number};
    $self->{asked}{$id} = ["g_db_$what", $family, $code];
    $self->{master}->packet('', "g_db_$what", $family, $id) if $self->{master};
}

# $code gets the addresses, or undef.
sub find {
    my ($self, $node, $code) = @_;
    push @{ $self->{sought}{$node} }, $code;
    $self->{master}->packet('', 'g_find', $node) if $self->{master};
}

# ---- A global node: what it holds ----------------------------------------------------------------

sub store {
    my ($self, $owner, $family, $set) = @_;
    for my $key (keys %$set) {
        $self->{of}{$owner}{$family}{$key} = $set->{$key};
        $self->{latest}{$family}{$key} = $owner;
    }
}

# Who shows $key: who set it last, or one of those who have it still; undef: nobody.
sub shown {
    my ($self, $family, $key, @owners) = @_;
    my $latest = $self->{latest}{$family}{$key};
    my @having = grep { exists $self->{of}{$_} && exists(($self->{of}{$_}{$family} // {})->{$key}) }
        @owners ? @owners : keys %{ $self->{of} };
    my ($first) = grep { defined $latest && $_ eq $latest } @having;
    return $first // (sort @having)[0];
}

sub merged {
    my ($self, $family, @owners) = @_;
    my %keys = map { %{ $self->{of}{$_}{$family} // {} } } @owners ? @owners : keys %{ $self->{of} };
    return { map { $_ => $self->{of}{ $self->shown($family, $_, @owners) }{$family}{$_} } keys %keys };
}

# Our part of the network: our own entries and those of the nodes attached to us.
sub part {
    my ($self) = @_;
    return $self->{node}, grep { $self->{peers}{$_} && $self->{peers}{$_}{is_slave} } keys %{ $self->{of} };
}

sub whole_part {
    my ($self) = @_;
    my @part = $self->part;
    my %families = map { %{ $self->{of}{$_} } } @part;
    return { map { $_ => $self->merged($_, @part) } keys %families };
}

# What these keys are now, as an update of them.
sub now {
    my ($self, $family, $keys, @owners) = @_;
    my (%set, @del);
    for my $key (@$keys) {
        my $owner = $self->shown($family, $key, @owners);
        defined $owner ? ($set{$key} = $self->{of}{$owner}{$family}{$key}) : push @del, $key;
    }
    return (\%set, \@del);
}

# An owner's entries change: watchers are told, and if it is of our part the other global nodes.
sub update {
    my ($self, $owner, $family, $set, $del) = @_;
    my @keys = (keys %{ $set // {} }, @{ $del // [] });
    return if !@keys;
    my $is_ours = grep { $_ eq $owner } $self->part;
    delete $self->{of}{$owner}{$family}{$_} for @{ $del // [] };
    $self->store($owner, $family, $set // {});
    my ($now, $gone) = $self->now($family, \@keys);
    if ($self->{watched}{$family}) {
        $self->{copy}{$family}{$_} = $now->{$_} for keys %$now;
        delete $self->{copy}{$family}{$_} for @$gone;
    }
    for my $peer (values %{ $self->{peers} }) {
        $peer->packet('', 'g_chg2', $family, $now, $gone) if $peer->{watches}{$family};
        $peer->packet('', 'g_upd', $family, $self->now($family, \@keys, $self->part))
            if $peer->{is_global} && $is_ours && $peer->{other_node} ne $owner;
    }
}

# Whatever this node has had is gone.
sub clear {
    my ($self, $owner) = @_;
    for my $family (keys %{ $self->{of}{$owner} // {} }) {
        $self->update($owner, $family, {}, [keys %{ $self->{of}{$owner}{$family} }]);
    }
    delete $self->{of}{$owner};
}

sub become_global {
    my ($self) = @_;
    $self->{global} = 1;
    delete $self->{master};
    $self->{copy}{$_} = $self->merged($_) for keys %{ $self->{watched} };
    $self->update($self->{node}, "'g", { $self->{node} => undef }, []);
    for my $peer (values %{ $self->{peers} }) {
        $peer->packet('', 'g_global');
        $self->mesh_with($peer) if $peer->{said_global};    # while we were ordinary
    }
}

# Another global node: it gets our part, and will give its own.
sub mesh_with {
    my ($self, $peer) = @_;
    $self->clear($peer->{other_node});
    delete $peer->{is_slave};
    $peer->{is_global} = 1;
    $peer->packet('', 'g_set', $self->whole_part);
    $self->update($self->{node}, "'g", { $peer->{other_node} => undef }, []);
}

# ---- Requests ------------------------------------------------------------------------------------

my %request = (
    g_slave => sub {
        my ($self, $peer, $database) = @_;
        $self->become_global if !$self->{global};
        return if !$database;
        $self->clear($peer->{other_node});
        $peer->{is_slave} = 1;
        $self->update($peer->{other_node}, $_, $database->{$_}, []) for keys %$database;
    },
    g_global => sub {
        my ($self, $peer) = @_;
        $peer->{said_global} = 1;
        $self->mesh_with($peer) if $self->{global};
    },
    g_set => sub {
        my ($self, $peer, $database) = @_;
        my $node = $peer->{other_node};
        $self->update($node, $_, $database->{$_}, []) for keys %$database;
        $self->update($self->{node}, "'l", { $node => $database->{"'l"}{$node} }, []);
    },
    g_upd => sub {
        my ($self, $peer, $family, $set, $del) = @_;
        $self->update($peer->{other_node}, $family, $set, $del);
    },
    g_find => sub {
        my ($self, $peer, $node) = @_;
        $peer->packet('', 'g_found', $node, $self->merged("'l")->{$node});
    },
    g_mon1 => sub {
        my ($self, $peer, $family) = @_;
        $peer->{watches}{$family} = 1;
        my $copy = $self->merged($family);
        $peer->packet('', 'g_chg1', $family, %$copy ? $copy : undef);
    },
    g_mon0 => sub {
        my ($self, $peer, $family) = @_;
        delete $peer->{watches}{$family};
    },
    g_db_family => sub {
        my ($self, $peer, $family, $id) = @_;
        $peer->packet('', 'g_reply', $id, $self->merged($family)) if !$self->{silent};
    },
    g_db_keys => sub {
        my ($self, $peer, $family, $id) = @_;
        $peer->packet('', 'g_reply', $id, [keys %{ $self->merged($family) }]) if !$self->{silent};
    },
    g_db_values => sub {
        my ($self, $peer, $family, $id) = @_;
        $peer->packet('', 'g_reply', $id, [values %{ $self->merged($family) }]) if !$self->{silent};
    },
    # What only a master says.
    g_chg1 => sub {
        my ($self, $peer, $family, $copy) = @_;
        $self->{copy}{$family} = $copy // {};
        $self->{copied}{$family}++;
    },
    g_chg2 => sub {
        my ($self, $peer, $family, $set, $del) = @_;
        push @{ $self->{strange} }, "g_chg2 of $family before g_chg1" if !$self->{copied}{$family};
        my %both = map { $_ => 1 } @{ $del // [] };
        push @{ $self->{strange} }, "a key of $family both set and deleted"
            if grep { $both{$_} } keys %{ $set // {} };
        delete $self->{copy}{$family}{$_} for @{ $del // [] };
        $self->{copy}{$family}{$_} = $set->{$_} for keys %{ $set // {} };
    },
    g_found => sub {
        my ($self, $peer, $node, $addresses) = @_;
        $_->($addresses) for @{ delete $self->{sought}{$node} // [] };
    },
    g_reply => sub {
        my ($self, $peer, $id, $result) = @_;
        my $asked = delete $self->{asked}{$id};
        return push @{ $self->{strange} }, "an answer to no question: $id" if !$asked;
        $asked->[2]->($result);
    },
);

my %of_master = map { $_ => 1 } qw(g_chg1 g_chg2 g_found g_reply);

sub take {
    my ($self, $peer, $word, @values) = @_;
    push @{ $self->{said} }, [$peer->{other_node}, $word, @values];
    my $code = $request{$word} or return push @{ $self->{strange} }, "a request unknown: $word";
    return if $of_master{$word} && (!$self->{master} || $self->{master} != $peer);
    $code->($self, $peer, @values);
}

# What a node has said so far, as texts: "NODE g_upd".
sub words {
    my ($self) = @_;
    return map { "$_->[0] $_->[1]" } @{ $self->{said} };
}

1;
