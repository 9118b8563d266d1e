# An AEMP node of its own: the wire protocol on JSON::XS, CBOR::XS and Digest::SHA3, sharing not a
# line with the C sources, so that a mistake made on one side is not repeated on the other.
#
#   my $peer = AEMPPeer->dial('127.0.0.1:4040', node => 'perl', secret => '...');
#   $peer->port(in => sub { my ($peer, @values) = @_; ... });
#   $peer->packet('echo', 'echo', 'hello', 'perl#in');
#   $peer->run_until(sub { ... }, 10) or die;
#
# One object is one connection.  Nothing happens but inside run_until() and its relatives.
package AEMPPeer;

use strict;
use warnings;

use CBOR::XS ();
use Digest::SHA3 ();
use IO::Socket::INET;
use JSON::XS ();
use Socket qw(IPPROTO_TCP TCP_NODELAY);
use Time::HiRes qw(time);

our $TIMEOUT = 30;    # seconds that anything may take before it counts as not happening

# ---- Opening -----------------------------------------------------------------------------------

sub hmac_sha3_512_hex {
    my ($secret, $text) = @_;
    my $block = 72;
    my $key = length $secret > $block ? Digest::SHA3::sha3_512($secret) : $secret;
    $key .= "\0" x ($block - length $key);
    my $inner = Digest::SHA3::sha3_512(($key ^ "\x36" x $block) . $text);
    return Digest::SHA3::sha3_512_hex(($key ^ "\x5c" x $block) . $inner);
}

# Options: node, secret, accepts => [framings we list], makes => [framings we can send],
# method => what our third line uses, keys => ['mproto=1', ...], nonce, first => a literal line,
# prepare => called with the peer before anything is read, to make ports; database => an AEMPDatabase
# that takes part in the global protocol, and seed => whether the other end is a seed of its node;
# tls => what AEMPTLS is to be made with: the other end must want TLS, too.
sub new {
    my ($class, $socket, %option) = @_;
    my @global = $option{database} ? 'gproto=1' : ();
    my @tls = $option{tls} ? 'tls=1.0' : ();
    my $self = bless {
        node    => 'perl',
        accepts => ['cbor', 'json'],
        makes   => ['cbor', 'json'],
        method  => 'hmac_sha3_512',
        keys    => ['provider=perl-peer-1', 'mproto=1', @global, @tls],
        nonce   => join('', map { chr(33 + int rand 90) } 1 .. 40),
        %option,
        socket    => $socket,
        in        => '',
        out       => '',
        ports     => {},
        functions => {},
        watched   => {},
        notices   => [],
        strange   => [],
        packets   => 0,
    }, $class;
    $socket->blocking(0);
    setsockopt $socket, IPPROTO_TCP, TCP_NODELAY, 1;
    $self->{prepare}->($self) if $self->{prepare};
    return $self;
}

sub dial {
    my ($class, $address, %option) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => $address, Timeout => 10)
        or die "cannot connect to $address: $!\n";
    my $self = $class->new($socket, %option);
    $self->greet;
    $self->finish_opening;
    return $self;
}

# A listening socket, for nodes that have us as their seed.
sub listen_socket {
    my $socket = IO::Socket::INET->new(Listen => 16, LocalAddr => '127.0.0.1', ReuseAddr => 1)
        or die "cannot listen: $!\n";
    return $socket;
}

sub address_of {
    my ($socket) = @_;
    return $socket->sockhost . ':' . $socket->sockport;
}

# The next node that connects to $listener and has the secret; undef after $timeout seconds.
sub accept_from {
    my ($class, $listener, $timeout, %option) = @_;
    my $bits = '';
    vec($bits, fileno $listener, 1) = 1;
    select($bits, undef, undef, $timeout) or return undef;
    my $self = $class->new(scalar $listener->accept, %option);
    $self->greet;
    $self->finish_opening;
    return $self;
}

sub greet {
    my ($self) = @_;
    $self->{own} = [
        $self->{first} // join(';',
            'aemp', 1, $self->{node},
            $self->{methods} // ($self->{tls} ? 'tls_sha3_512' : 'hmac_sha3_512,cleartext'),
            join(',', @{ $self->{accepts} }), @{ $self->{keys} }),
        $self->{nonce},
    ];
    $self->{out} .= "$_\n" for @{ $self->{own} };
}

# Wait for the next line of the opening.
sub line {
    my ($self) = @_;
    my $until = time + $TIMEOUT;
    my $end;
    while (($end = index $self->{in}, "\n") < 0) {
        die "closed by the node while it was greeting\n" if $self->{closed};
        die "no line in time\n" if time > $until;
        $self->exchange($until - time);
    }
    my $line = substr $self->{in}, 0, $end + 1, '';
    chomp $line;
    $line =~ s/\r\z//;
    return $line;
}

sub finish_opening {
    my ($self) = @_;
    my @own   = @{ $self->{own} };
    my @other = ($self->line, $self->line);
    $self->{other} = \@other;
    my ($word, $version, $node, $methods, $framings, @keys) = split /;/, $other[0], -1;
    die "not a greeting: $other[0]\n"
        if $word ne 'aemp' || $version ne '1' || !defined $framings || $node eq '';
    my $proves_by = $self->{tls} ? 'tls_sha3_512' : 'hmac_sha3_512';
    die "$proves_by is not accepted\n" if !grep { $_ eq $proves_by } split /,/, $methods;
    $self->{other_node} = $node;
    $self->{other_keys} = { map { /\A([^=]*)=(.*)\z/s ? ($1, $2) : ($_, '') } @keys };
    my %makes = map { $_ => 1 } @{ $self->{makes} };
    ($self->{sends}) = grep { $makes{$_} } split /,/, $framings;
    die "no framing in common\n" if !defined $self->{sends};
    $self->begin_tls if $self->{tls};
    my $prove = $self->{tls} ? \&Digest::SHA3::sha3_512_hex
        : sub { hmac_sha3_512_hex($self->{secret}, $_[0]) };
    my $data =
        $self->{method} eq 'cleartext' ? unpack('H*', $self->{secret})
        : $prove->(join '', map { "$_\n" } @own, @other);
    my $by = $self->{tls} ? $proves_by : $self->{method};
    $self->{out} .= "$by;$data;$self->{sends}\n";
    my ($method, $proof, $framing) = split /;/, $self->line;
    my $right = $prove->(join '', map { "$_\n" } @other, @own);
    die "the node's proof is wrong: $method;$proof\n" if $method ne $proves_by || $proof ne $right;
    $self->{receives} = $framing;
    $self->{decoder} = $framing eq 'json' ? JSON::XS->new->utf8 : CBOR::XS->new;
    $self->{encoder} = $self->{sends} eq 'json' ? JSON::XS->new->utf8 : CBOR::XS->new;
    $self->{database}->linked($self) if $self->{database};
    $self->take;
    $self->exchange(0);    # the node's proof may have come before ours went
}

# Whose nonce is lower is the client; nothing more goes out or comes in as it is.
sub begin_tls {
    my ($self) = @_;
    require AEMPTLS;
    die "it does not want TLS\n" if ($self->{other_keys}{tls} // '') !~ /\A1/;
    $self->exchange($TIMEOUT) while $self->{out} ne '' && !$self->{closed};
    my $client = $self->{own}[1] lt $self->{other}[1];
    $self->{sealing} = AEMPTLS->new(%{ $self->{tls} }, client => $client);
    $self->{sealed} = $self->{sealing}->seal('');
    $self->{in} = $self->{sealing}->open($self->{in});
    return;
}

# ---- Bytes and packets ---------------------------------------------------------------------------

# One turn of the socket: send what is there, read what has come, take the packets in it.
sub exchange {
    my ($self, $timeout) = @_;
    return if $self->{closed};
    my ($readable, $writable) = ('', '');
    my $out = $self->outgoing;
    vec($readable, fileno $self->{socket}, 1) = 1 if !$self->{deaf};
    vec($writable, fileno $self->{socket}, 1) = 1 if $$out ne '';
    select($readable, $writable, undef, $timeout < 0 ? 0 : $timeout);
    if (vec($writable, fileno $self->{socket}, 1)) {
        my $size = syswrite $self->{socket}, $$out, 1 << 18;
        substr $$out, 0, $size, '' if defined $size;
        $self->{closed} = 1 if !defined $size && !$!{EAGAIN};
    }
    if (vec($readable, fileno $self->{socket}, 1)) {
        my $size = sysread $self->{socket}, my $bytes, 1 << 16;
        $self->{closed} = 1 if defined $size ? $size == 0 : !$!{EAGAIN};
        $self->{in} .= $self->{sealing} ? $self->{sealing}->open($bytes) : $bytes if $size;
        $self->take if $self->{decoder};
    }
}

# What is to go over the wire, as it is or sealed.
sub outgoing {
    my ($self) = @_;
    return \$self->{out} if !$self->{sealing};
    $self->{sealed} .= $self->{sealing}->seal($self->{out});
    $self->{out} = '' if $self->{sealing}{up};
    return \$self->{sealed};
}

sub take {
    my ($self) = @_;
    my @packets;
    if ($self->{receives} eq 'json') {
        $self->{decoder}->incr_parse($self->{in});
        $self->{in} = '';
        while (my $packet = $self->{decoder}->incr_parse) {
            push @packets, $packet;
        }
    } else {
        @packets = $self->{decoder}->incr_parse_multiple($self->{in});
    }
    for my $packet (@packets) {
        $self->{packets}++;
        $self->handle(@$packet);
    }
}

# Send one packet: the name of a port over there, and the values.
sub packet {
    my ($self, @packet) = @_;
    $self->{out} .= $self->{encoder}->encode(\@packet);
}

# Send bytes as they are.
sub raw {
    my ($self, $bytes) = @_;
    $self->{out} .= $bytes;
}

# Go on until $done->() is true; false when that takes too long or the node closed before it was.
sub run_until {
    my ($self, $done, $timeout) = @_;
    my $until = time + ($timeout // $TIMEOUT);
    until ($done->()) {
        return 0 if $self->{closed} || time > $until;
        $self->exchange($until - time);
    }
    return 1;
}

# Go on until the node has answered a request sent behind all that went before.
sub fence {
    my ($self) = @_;
    my $number = ++$self->{fences};
    my $seen   = 0;
    $self->{ports}{fence} = sub { $seen = $_[1] if $_[1] > $seen };
    $self->packet('', 'time', $self->id('fence'), $number);
    return $self->run_until(sub { $seen >= $number });
}

# Go on until the node has closed the connection.
sub run_until_closed {
    my ($self, $timeout) = @_;
    $self->run_until(sub { $self->{closed} }, $timeout);
    return $self->{closed};
}

sub hang_up {
    my ($self) = @_;
    close $self->{socket};
    $self->{closed} = 1;
}

# ---- Being a node --------------------------------------------------------------------------------

# The full ID of our port $name.
sub id {
    my ($self, $name) = @_;
    return "$self->{node}#$name";
}

sub port {
    my ($self, $name, $code) = @_;
    $self->{ports}{$name} = $code;
}

# Collect what comes for our port $name; returns the list, which grows.
sub collect {
    my ($self, $name) = @_;
    my @list;
    $self->{ports}{$name} = sub { my (undef, @values) = @_; push @list, \@values };
    return \@list;
}

# Our port $name dies; whoever watches it is told.
sub die_port {
    my ($self, $name, @reason) = @_;
    delete $self->{ports}{$name};
    $self->packet('', 'kil0', $name, @reason) if delete $self->{watched}{$name};
}

my %request = (
    mon1 => sub {
        my ($self, $name) = @_;
        push @{ $self->{asked} }, ['mon1', $name];
        if (exists $self->{ports}{$name}) {
            $self->{watched}{$name}++;
        } else {
            $self->packet('', 'kil0', $name, 'no_such_port', 'cannot monitor nonexistent port',
                $self->id($name));
        }
    },
    mon0 => sub {
        my ($self, $name) = @_;
        push @{ $self->{asked} }, ['mon0', $name];
        delete $self->{watched}{ $name // '' };
    },
    kil0 => sub {
        my ($self, $name, @reason) = @_;
        push @{ $self->{notices} }, [$name, @reason];
    },
    kil1 => sub {
        my ($self, $name, @reason) = @_;
        push @{ $self->{asked} }, ['kil1', $name, @reason];
        $self->die_port($name, @reason) if $name ne '';
    },
    snd => sub {
        my ($self, $id, @values) = @_;
        my ($node, $name) = split /#/, $id, 2;
        $node eq $self->{other_node}
            ? $self->packet($name // '', @values)
            : $self->handle($name // '', @values);
    },
    can => sub {
        my ($self, $name, $id, @values) = @_;
        $self->reply($id, @values, exists $self->{requests}{$name} ? 1 : '');
    },
    time => sub {
        my ($self, $id, @values) = @_;
        $self->reply($id, @values, time);
    },
    devnull => sub { },
    ''      => sub { },
    'AnyEvent::MP::_spawn' => sub {
        my ($self, $name, $function, @values) = @_;
        push @{ $self->{asked} }, ['spawn', $name, $function, @values];
        my $code = $self->{functions}{$function} or return;
        $self->{ports}{$name} = $code->($self, $name, @values);
    },
);

sub reply {
    my ($self, $id, @values) = @_;
    my ($node, $name) = split /#/, $id, 2;
    $self->packet($name, @values);
}

# What a packet means.  Requests of the global protocol are the database's business.
sub handle {
    my ($self, $name, @values) = @_;
    $name //= '';
    if ($self->{on_packet} && !exists $self->{ports}{$name}) {
        $self->{on_packet}->($name, @values);    # somebody else plays the node
    } elsif ($name eq '') {
        my $word = $values[0] // '';
        my $code = $request{$word};
        return $code->($self, @values[1 .. $#values]) if $code;
        return $self->{database}->take($self, @values) if $self->{database} && $word =~ /\Ag_/;
        push @{ $self->{strange} }, \@values if $word !~ /\Ag_/;
    } elsif (my $code = $self->{ports}{$name}) {
        $code->($self, @values);
    }
}

1;
