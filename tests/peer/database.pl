#!/usr/bin/perl
# The replicated database between an independent AEMP node and nodes of ours: the script joins as an
# ordinary node and as a global one, sets, watches and asks, and sees the entries of third nodes come
# and go; it is found and finds, and is the master of a node of ours.  Prints TAP.
#
#   ACTOR=build/plain/tests/peer_actor tests/peer/database.pl [PATTERN]
#
# PATTERN runs only the subtests whose name matches.  PTL_QUICK=1 sets fewer keys.
use strict;
use warnings;
use utf8;

use FindBin ();
use lib $FindBin::Bin;

use AEMPDatabase;
use PortolanProcess;
use Test::More;

binmode Test::More->builder->$_, ':utf8' for qw(output failure_output todo_output);
alarm 600;
$SIG{PIPE} = 'IGNORE';

my $actor   = $ENV{ACTOR} // die "ACTOR must name the acting node\n";
my $pattern = shift // '.';
my $secret  = 'a secret of good length';
my $many    = $ENV{PTL_QUICK} ? 500 : 5_000;

my ($shards, $framing);    # of the run under way
my @nodes;                 # ours that run, of processes
my @leaves;                # nodes of this script
my @watchers;              # links to nodes of ours that tell us of a family

sub start_node {
    my ($id, @more) = @_;
    my $node = PortolanProcess->start($actor, '--node', $id, '--secret', $secret, '--shards',
        $shards, (grep { $_ eq '--bind' } @more) ? () : ('--bind', '127.0.0.1:0'), @more);
    push @nodes, $node;
    return $node;
}

sub new_leaf {
    my ($id, %option) = @_;
    my $leaf = AEMPDatabase->new(node => $id, secret => $secret, accepts => [$framing],
        makes => [$framing], %option);
    push @leaves, $leaf;
    return $leaf;
}

# A node of this script that joins by that seed.
sub join_leaf {
    my ($id, $seed, %option) = @_;
    my $leaf = new_leaf($id, %option);
    $leaf->dial($seed->{address}, seed => 1);
    return $leaf;
}

sub until_true {
    my ($code, $name) = @_;
    my $done = AEMPDatabase::run_until(\@leaves, $code, 20);
    ok($done, $name);
    return $done;
}

# Wait until a family is this in the copy of a watcher, or in what a global node of this script has.
sub until_family {
    my ($leaf, $family, $expected, $name) = @_;
    my $now   = sub { $leaf->{global} ? $leaf->merged($family) : $leaf->{copy}{$family} // {} };
    my $text  = sub { JSON::XS->new->canonical->allow_nonref->encode($_[0]) };
    my $wish  = $text->($expected);
    my $done  = until_true(sub { $text->($now->()) eq $wish }, $name);
    diag('it is ', $text->($now->()), ' and should be ', $wish) if !$done;
    return $done;
}

# Ask and wait for the answer.
sub ask {
    my ($leaf, $what, $family) = @_;
    my @result;
    $leaf->ask($what, $family, sub { @result = @_ });
    AEMPDatabase::run_until(\@leaves, sub { @result }, 20);
    return $result[0];
}

sub find {
    my ($leaf, $node) = @_;
    my @result;
    $leaf->find($node, sub { @result = @_ });
    AEMPDatabase::run_until(\@leaves, sub { @result }, 20);
    return $result[0];
}

# A connection that only tells a node of ours what to do, as a node of its own.
my $controls = 0;

sub control_of {
    my ($node) = @_;
    my $control = new_leaf('control' . ++$controls);
    my $peer    = $control->dial($node->{address});
    $peer->{told} = $peer->collect('told');
    return $peer;
}

sub act {
    my ($peer, @command) = @_;
    $peer->packet('actor', @command);
}

# Have the actor answer to us; returns what it said.
sub act_and_hear {
    my ($peer, @command) = @_;
    @{ $peer->{told} } = ();
    act($peer, @command, $peer->id('told'));
    AEMPDatabase::run_until(\@leaves, sub { @{ $peer->{told} } }, 20) or return ['silence'];
    return shift @{ $peer->{told} };
}

# What a watcher on a node of ours has by the changes it told us: FAMILY is applied as it comes.
sub copy_of {
    my ($peer, $family) = @_;
    my %copy = (wrong => []);
    $peer->port("copy $family" => sub {
        my (undef, $event, undef, $key, $value) = @_;
        if ($event eq 'deleted') {
            push @{ $copy{wrong} }, "$key deleted" if !exists $copy{now}{$key};
            delete $copy{now}{$key};
        } elsif ($event eq 'copied') {
            $copy{copied}++;
        } else {
            push @{ $copy{wrong} }, "$key $event"
                if (exists $copy{now}{$key} ? 1 : 0) != ($event eq 'changed' ? 1 : 0);
            $copy{now}{$key} = $value;
        }
    });
    act($peer, 'watch', $family, $peer->id("copy $family"));
    push @watchers, $peer;
    return \%copy;
}

# None of ours has to tell us anything when we go: it would look for us in vain.
sub drop_copies {
    for my $peer (@watchers) {
        next if $peer->{closed};
        act($peer, 'unwatch');
        act_and_hear($peer, 'is global');
    }
    @watchers = ();
}

sub until_copy {
    my ($copy, $expected, $name) = @_;
    my $text = sub { JSON::XS->new->canonical->encode($_[0] // {}) };
    my $done = until_true(sub { $text->($copy->{now}) eq $text->($expected) }, $name);
    diag('it is ', $text->($copy->{now})) if !$done;
    is_deeply($copy->{wrong}, [], 'and was told rightly');
}

sub nothing_strange {
    my ($leaf) = @_;
    is_deeply($leaf->{strange} // [], [], "$leaf->{node} was told nothing strange");
    is_deeply([map { @{ $_->{strange} } } values %{ $leaf->{peers} }], [], 'nor asked anything');
}

# ---- An ordinary node at a global one of ours ----------------------------------------------------

sub test_ordinary {
    my $rain = start_node('rain');
    my $snow = start_node('snow', '--seed', $rain->{address});
    my $perl = join_leaf('perl', $rain);
    my $third = join_leaf('third', $snow);
    my $control = control_of($snow);

    $perl->watch('fam');
    $third->watch('fam');
    until_true(sub { $perl->{copied}{fam} && $third->{copied}{fam} }, 'an empty family is told at once');
    $perl->set('fam', 'mine', 'value');
    $third->set('fam', 'theirs', [1, { a => undef }]);
    act($control, 'set', 'fam', 'ours', 7);
    my %fam = (mine => 'value', theirs => [1, { a => undef }], ours => 7);
    until_family($perl,  'fam', \%fam, 'what any of three nodes sets comes to us');
    until_family($third, 'fam', \%fam, 'and to a third node');
    my $copy = copy_of($control, 'fam');
    until_copy($copy, \%fam, 'and to a program of a node of ours');
    is_deeply(ask($perl, 'family', 'fam'), \%fam, 'a question finds it');
    is_deeply([sort @{ ask($perl, 'keys', 'fam') }], ['mine', 'ours', 'theirs'], 'its keys');
    is(scalar @{ ask($perl, 'values', 'fam') }, 3, 'its values');
    is_deeply(ask($perl, 'family', 'empty'), {}, 'an empty family is a map');
    is_deeply(ask($perl, 'keys',   'empty'), [], 'and has no keys');
    is_deeply(ask($perl, 'values', 'empty'), [], 'nor values');
    is_deeply(ask($perl, 'family', "'g"), { rain => undef, snow => undef }, 'the global nodes');
    my $listeners = ask($perl, 'family', "'l");
    is_deeply([@$listeners{qw(rain snow perl third)}],
        [map { [$_->{address}] } $rain, $snow, $perl, $third], 'where all listen');

    $perl->set('fam', 'mine', 'changed');
    $third->del('fam', 'theirs');
    act($control, 'del', 'fam', 'ours');
    $_->set('fam', 'both', $_->{node}) for $perl, $third;
    %fam = (mine => 'changed', both => 'perl');
    until_family($perl, 'fam', \%fam, 'changes and deletions come, and the lowest ID shows');
    until_copy($copy, \%fam, 'the same everywhere');
    $perl->del('fam', 'both');
    until_family($perl, 'fam', { mine => 'changed', both => 'third' }, 'the other value comes back');
    $third->hang_up;
    until_family($perl, 'fam', { mine => 'changed' }, 'a node that goes takes its entries along');
    until_copy($copy, { mine => 'changed' }, 'everywhere');
    is(ask($perl, 'family', "'l")->{third}, undef, 'and its address');
    nothing_strange($perl);

    $third = join_leaf('third', $rain);
    $third->set('fam', 'again', 1);
    until_family($perl, 'fam', { mine => 'changed', again => 1 }, 'it comes again, elsewhere');
    $perl->unwatch('fam');
    $perl->set('fam', 'more', 1);
    until_copy($copy, { mine => 'changed', again => 1, more => 1 }, 'who watches no longer still sets');
    is(scalar(keys %{ $perl->{copy}{fam} }), 2, 'and is not told');
    $perl->hang_up;
    until_copy($copy, { again => 1 }, 'when we go our entries do');
}

sub test_values {
    my $rain = start_node('rain');
    my $snow = start_node('snow', '--seed', $rain->{address});
    my ($perl, $third) = (join_leaf('perl', $rain), join_leaf('third', $snow));
    my %fam = (
        number => 4294967296, negative => -1, float => 1.5, null => undef, empty => '',
        text => 'grüße €', bytes => "\xff\x00", list => [[], {}, [1, [2]]], map => { k => 'v' },
        'a key with ü and €' => 1, '#' => 2, ' ' => 3,
    );
    $third->watch('fam');
    $perl->set('fam', $_, $fam{$_}) for keys %fam;
    until_family($third, 'fam', \%fam, 'values and keys of all kinds come as they were set');
    is_deeply(ask($third, 'family', 'fam'), \%fam, 'and as an answer');
    $perl->set('large', "key$_", 'x' x 100) for 1 .. $many;
    $third->watch('large');
    until_true(sub { keys %{ $third->{copy}{large} // {} } == $many }, "all of $many keys come");
    is(scalar @{ ask($third, 'keys', 'large') }, $many, 'and can be asked for');
    $perl->del('large', "key$_") for 2 .. $many;
    until_family($third, 'large', { key1 => 'x' x 100 }, 'and go');
    nothing_strange($_) for $perl, $third;
}

# ---- A global node among ours --------------------------------------------------------------------

sub test_global {
    my $rain = start_node('rain');
    my $perl = join_leaf('perl', $rain, global => 1);
    my $leaf = join_leaf('leaf', $rain);
    my $hail = start_node('hail', '--ordinary', '--seed', $perl->{address});
    my $control = control_of($hail);

    $leaf->watch($_) for 'fam', "'g";
    until_family($leaf, "'g", { rain => undef, perl => undef }, 'we are global to a node of ours');
    $perl->set('fam', 'perl', 1);
    $leaf->set('fam', 'leaf', 2);
    act($control, 'set', 'fam', 'hail', 3);
    my %fam = (perl => 1, leaf => 2, hail => 3);
    until_family($perl, 'fam', \%fam, 'what its ordinary node sets comes to us');
    until_family($leaf, 'fam', \%fam, 'what we and our ordinary node set goes there');
    my $copy = copy_of($control, 'fam');
    until_copy($copy, \%fam, 'a node of ours that has us as its master watches');
    is_deeply(act_and_hear($control, 'family', 'fam'), ['found', \%fam], 'and asks');
    is_deeply(act_and_hear($control, 'get', 'fam', 'leaf'), ['found', 2], 'even for one key');
    is_deeply(act_and_hear($control, 'get', 'fam', 'none'), ['not found', 'PTL_ENOKEY'], 'that is not');
    is_deeply([sort @{ act_and_hear($control, 'keys', 'fam')->[1] }], ['hail', 'leaf', 'perl'],
        'for all keys');
    is_deeply([sort @{ act_and_hear($control, 'values', 'fam')->[1] }], [1, 2, 3], 'and values');
    is_deeply(act_and_hear($control, 'is global'), ['global', JSON::XS::false], 'as an ordinary node');
    is_deeply($perl->merged("'l")->{hail}, [$hail->{address}], 'it tells where it listens');
    is_deeply($perl->merged("'l")->{rain}, [$rain->{address}], 'as the global one does');
    ok((grep { $_ eq 'rain g_set' } $perl->words), 'that gives us its database');
    ok(!(grep { /\Arain g_(?:mon|chg|db|find)/ } $perl->words), 'and asks us for nothing');

    act($control, 'set', 'fam', 'hail', [4]);
    $leaf->set('fam', 'leaf', undef);
    $perl->del('fam', 'perl');
    %fam = (leaf => undef, hail => [4]);
    until_family($perl, 'fam', \%fam, 'changes come to us');
    until_family($leaf, 'fam', \%fam, 'and go from us');
    until_copy($copy, \%fam, 'and to our ordinary node');

    # What comes from us must not come back to us.
    my $said = @{ $perl->{said} };
    act($control, 'set', 'fam', 'hail', 5);
    until_family($leaf, 'fam', { leaf => undef, hail => 5 }, 'our part is passed on to an ordinary node');
    $leaf->set('fam', 'last', 6);
    until_true(sub { exists $perl->merged('fam')->{last} }, 'the other part to us');
    my @echoes = grep { $_->[0] eq 'rain' && exists(($_->[3] // {})->{hail}) }
        @{ $perl->{said} }[$said .. $#{ $perl->{said} }];
    is_deeply(\@echoes, [], 'and nothing of ours comes back');

    kill KILL => $hail->{pid};
    until_family($leaf, 'fam', { leaf => undef, last => 6 }, 'our ordinary node is killed: gone there');
    $leaf->hang_up;
    until_family($perl, 'fam', {}, 'its ordinary node leaves: gone here');
    nothing_strange($perl);
    my $other = join_leaf('other', $rain);
    $other->watch("'g");
    until_family($other, "'g", { rain => undef, perl => undef }, 'another ordinary node joins');
    $perl->hang_up;
    until_family($other, "'g", { rain => undef }, 'and sees us go');
}

# A real node is at first ordinary for a moment, and then global: no entry may stay behind.
sub test_ordinary_then_global {
    my $rain = start_node('rain');
    my $perl = join_leaf('perl', $rain);
    my $leaf = join_leaf('leaf', $rain);
    $perl->set('fam', 'key', 'ordinary');
    $leaf->watch('fam');
    until_family($leaf, 'fam', { key => 'ordinary' }, 'set by an ordinary node');
    $perl->become_global;
    until_true(sub { grep { $_ eq 'rain g_set' } $perl->words }, 'which becomes global');
    $perl->set('fam', 'other', 'global');
    until_family($leaf, 'fam', { key => 'ordinary', other => 'global' }, 'its entries stay');
    $perl->del('fam', 'key');
    until_family($leaf, 'fam', { other => 'global' }, 'and go when it deletes them: no ghost');
    is(scalar(grep { $_->[0] eq 'rain' && exists(($_->[3] // {})->{key}) } @{ $perl->{said} }), 0,
        'it was never sent its own key');
    is_deeply(ask($leaf, 'family', 'fam'), { other => 'global' }, 'nor does an answer show it');
}

# ---- Finding each other --------------------------------------------------------------------------

sub test_find {
    my $rain = start_node('rain');
    my $hail = start_node('hail', '--ordinary', '--seed', $rain->{address});
    my $perl = join_leaf('perl', $rain);
    my $control = control_of($hail);

    until_true(sub { ref find($perl, 'hail') }, 'an ordinary node of ours is in the database');
    is_deeply(find($perl, 'hail'), [$hail->{address}], 'and found');
    is_deeply(find($perl, 'rain'), [$rain->{address}], 'so is the master');
    is(find($perl, 'nosuch'), undef, 'and nobody else');

    # It finds us: that we are not linked yet is the point.
    until_true(sub { !$perl->{peers}{hail} && ref find($perl, 'perl') }, 'we are in the database too');
    my @got;
    my $hear = sub { my (undef, @values) = @_; push @got, \@values };
    $perl->{options}{prepare} = sub { $_[0]->port(in => $hear) };
    act($control, 'flood', 'perl#in', 3, 4);
    until_true(sub { @got == 3 }, 'an ordinary node of ours finds us and connects');
    is_deeply([map { $_->[0] } @got], [1, 2, 3], 'what it sends comes in order');
    my $peer = $perl->{peers}{hail};
    ok(!(grep { /\Ahail g_/ } $perl->words), 'and two ordinary nodes say nothing of the database');

    my $other = join_leaf('other', $rain);
    my $there = $other->dial(find($other, 'hail')->[0]);
    my $echo  = $there->collect('in');
    act($there, 'after', 1, $there->id('in'));
    until_true(sub { @$echo }, 'we find it and connect');
    my $gone = act_and_hear($control, 'monitor', 'nosuch#port');
    is_deeply($gone, ['gone', 'transport_error', 'nosuch', 'no known address'],
        'a node that nobody knows is told as such');
}

# ---- We are the master, and go -------------------------------------------------------------------

sub free_address {
    my $socket  = AEMPPeer::listen_socket();
    my $address = AEMPPeer::address_of($socket);
    close $socket;
    return $address;
}

sub test_master_goes {
    my $perl    = new_leaf('perl', global => 1);
    my $later   = free_address();
    my $hail    = start_node('hail', '--ordinary', '--seed', $perl->{address}, '--seed', $later);
    my $control = control_of($hail);
    my $copy    = copy_of($control, 'fam');

    act($control, 'set', 'fam', 'hail', 1);
    $perl->set('fam', "perl$_", $_) for 1 .. 50;
    until_family($perl, 'fam', { hail => 1, map { ("perl$_" => $_) } 1 .. 50 },
        'a node of ours has us as its master');
    until_copy($copy, { hail => 1, map { ("perl$_" => $_) } 1 .. 50 }, 'and is told by us');
    ok((grep { $_ eq 'hail g_slave' } $perl->words), 'it said that we shall be global');
    ok((grep { $_ eq 'hail g_mon1' } $perl->words), 'and watches here');
    act($control, 'unwatch');
    until_true(sub { grep { $_ eq 'hail g_mon0' } $perl->words }, 'until nobody does any more');
    $copy = copy_of($control, 'fam');
    until_true(sub { $copy->{copied} }, 'it watches again');

    my $snow = start_node('snow', '--bind', $later);
    my $at_snow = control_of($snow);
    act($at_snow, 'set', 'fam', 'snow', 2);
    # Only over a link is there an answer of the node itself: we know nothing of that one.
    my ($asked, $linked) = (0, 0);
    $control->port(linked => sub { $_[2] eq 'no_such_port' ? ($linked = 1) : ($asked = 0) });
    until_true(sub {
        act($control, 'monitor', 'snow#nosuch', $control->id('linked')) if !$asked;
        $asked = 1;
        return $linked;
    }, 'it links to its other seed');

    # Questions that we do not answer are asked again.
    $perl->{silent} = 1;
    @{ $control->{told} } = ();
    act($control, 'get', 'fam', 'snow', $control->id('told'));
    until_true(sub { grep { $_ eq 'hail g_db_family' } $perl->words }, 'we are asked, and silent');
    act($control, 'set', 'fam', 'hail', 3);
    $perl->hang_up;
    until_copy($copy, { hail => 3, snow => 2 }, 'we go: the watcher ends right');
    until_true(sub { @{ $control->{told} } }, 'and the question is answered');
    is_deeply($control->{told}[0], ['found', 2], 'by the next master');
    is_deeply(act_and_hear($at_snow, 'family', 'fam'), ['found', { hail => 3, snow => 2 }],
        'which has all entries of the node');
    my $leaf = join_leaf('leaf', $snow);
    $leaf->set('fam', 'leaf', 4);
    until_copy($copy, { hail => 3, snow => 2, leaf => 4 }, 'and goes on telling');
}

# An ordinary node of ours is asked to be global by one that has it as a seed.
sub test_upgrade {
    my $rain    = start_node('rain');
    my $hail    = start_node('hail', '--ordinary', '--seed', $rain->{address});
    my $control = control_of($hail);
    my $far     = join_leaf('far', $rain);

    $far->set('fam', 'far', 1);
    act($control, 'set', 'fam', 'hail', 2);
    my $copy = copy_of($control, 'fam');
    until_copy($copy, { far => 1, hail => 2 }, 'an ordinary node');
    is_deeply(act_and_hear($control, 'is global'), ['global', JSON::XS::false], 'is not global');
    my $near = join_leaf('near', $hail);
    $near->watch($_) for 'fam', "'g";
    $near->set('fam', 'near', 3);
    my %fam = (far => 1, hail => 2, near => 3);
    until_family($near, 'fam', \%fam, 'until somebody has it as a seed');
    until_copy($copy, \%fam, 'its own watchers go on');
    # Another shard may pass the entries on before the first knows that it shall be global.
    until_family($near, "'g", { rain => undef, hail => undef }, 'then all know that it is global');
    is_deeply(act_and_hear($control, 'is global'), ['global', JSON::XS::true], 'and so it is');
    $far->set('fam', 'far', 4);
    $near->del('fam', 'near');
    until_family($near, 'fam', { far => 4, hail => 2 }, 'and passes on what changes');
    until_copy($copy, { far => 4, hail => 2 }, 'here too');
    ok((grep { $_ eq 'hail g_global' } $near->words), 'it has said so');
    nothing_strange($near);
}

# ---- The runs ------------------------------------------------------------------------------------

my %test = (
    'an ordinary node'       => \&test_ordinary,
    'values'                 => \&test_values,
    'a global node'          => \&test_global,
    'ordinary, then global'  => \&test_ordinary_then_global,
    'finding each other'     => \&test_find,
    'a master that goes'     => \&test_master_goes,
    'a seed becomes global'  => \&test_upgrade,
);

for my $count (1, 2) {
    for my $kind ('cbor', 'json') {
        for my $name (sort keys %test) {
            my $title = "$name, $kind, shards $count";
            next if $title !~ /$pattern/;
            ($shards, $framing) = ($count, $kind);
            subtest $title => sub {
                eval { $test{$name}->(); 1 } or fail("died: $@");
                drop_copies();
                $_->hang_up for @leaves;
                @leaves = ();
                for my $node (@nodes) {
                    next if $node->ended;
                    is($node->stop, 0, "$node->{node} stops when told") or diag($node->log);
                }
                @nodes = ();
            };
        }
    }
}
done_testing;
