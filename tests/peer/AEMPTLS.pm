# The TLS of one connection, by OpenSSL (Net::SSLeay), over memory: bytes of the other end in, what it
# has said out, and the other way round.
#
#   my $tls = AEMPTLS->new(client => 1, cert => FILE, key => FILE, ca => FILE, version => 'TLSv1.3');
#   $text .= $tls->open($bytes_of_the_other_end);
#   $bytes = $tls->seal($text);      # and what TLS has to say itself
package AEMPTLS;

use strict;
use warnings;

use Net::SSLeay ();

my %VERSIONS = ('TLSv1.2' => 0x0303, 'TLSv1.3' => 0x0304);

Net::SSLeay::initialize();

sub context {
    my (%option) = @_;
    my $context = Net::SSLeay::CTX_new_with_method(Net::SSLeay::TLS_method()) or die "no context\n";
    if (my $version = $VERSIONS{ $option{version} // '' }) {
        Net::SSLeay::CTX_set_min_proto_version($context, $version) or die "no such version\n";
        Net::SSLeay::CTX_set_max_proto_version($context, $version) or die "no such version\n";
    }
    Net::SSLeay::CTX_use_certificate_chain_file($context, $option{cert}) or die "no certificate\n";
    Net::SSLeay::CTX_use_PrivateKey_file($context, $option{key} // $option{cert},
        Net::SSLeay::FILETYPE_PEM()) or die "no key\n";
    Net::SSLeay::CTX_load_verify_locations($context, $option{ca} // $option{cert}, '')
        or die "no authorities\n";
    Net::SSLeay::CTX_set_verify($context,
        Net::SSLeay::VERIFY_PEER() | Net::SSLeay::VERIFY_FAIL_IF_NO_PEER_CERT(), sub { $_[0] });
    return $context;
}

sub new {
    my ($class, %option) = @_;
    my $context = context(%option);
    my $self = bless {
        context => $context,
        ssl     => Net::SSLeay::new($context),
        from    => Net::SSLeay::BIO_new(Net::SSLeay::BIO_s_mem()),
        to      => Net::SSLeay::BIO_new(Net::SSLeay::BIO_s_mem()),
    }, $class;
    Net::SSLeay::set_bio($self->{ssl}, $self->{from}, $self->{to});    # which frees them in the end
    $option{client} ? Net::SSLeay::set_connect_state($self->{ssl})
                    : Net::SSLeay::set_accept_state($self->{ssl});
    $self->shake;
    return $self;
}

sub DESTROY {
    my ($self) = @_;
    Net::SSLeay::free($self->{ssl});
    Net::SSLeay::CTX_free($self->{context});
}

# What OpenSSL says went wrong, unless it only waits for more.
sub check {
    my ($self, $result) = @_;
    my $error = Net::SSLeay::get_error($self->{ssl}, $result);
    return if $error == Net::SSLeay::ERROR_WANT_READ();
    $self->{ended} = 1;
    return if $error == Net::SSLeay::ERROR_ZERO_RETURN();
    die 'TLS: ' . (Net::SSLeay::ERR_error_string(Net::SSLeay::ERR_get_error()) // $error) . "\n";
}

sub shake {
    my ($self) = @_;
    my $result = Net::SSLeay::do_handshake($self->{ssl});
    $self->{up} = $result == 1;
    $self->check($result) if !$self->{up};
}

sub open {
    my ($self, $bytes) = @_;
    my $text = '';
    while ($bytes ne '') {
        my $size = Net::SSLeay::BIO_write($self->{from}, $bytes);
        die "no memory\n" if $size <= 0;
        substr $bytes, 0, $size, '';
    }
    $self->shake if !$self->{up};
    while ($self->{up} && !$self->{ended}) {
        my ($part, $result) = Net::SSLeay::read($self->{ssl}, 1 << 14);
        if (!defined $part || $result <= 0) {
            $self->check($result);
            last;
        }
        $text .= $part;
    }
    return $text;
}

# In pieces of a record; nothing of it while the handshake lasts.
sub seal {
    my ($self, $text) = @_;
    for (my $at = 0; $self->{up} && $at < length $text; $at += 1 << 14) {
        my $result = Net::SSLeay::write($self->{ssl}, substr $text, $at, 1 << 14);
        $self->check($result) if $result <= 0;
    }
    my $bytes = '';
    while (Net::SSLeay::BIO_pending($self->{to})) {
        $bytes .= Net::SSLeay::BIO_read($self->{to});
    }
    return $bytes;
}

# Ask for another handshake inside this one.
sub renegotiate {
    my ($self) = @_;
    Net::SSLeay::renegotiate($self->{ssl}) == 1 or die "OpenSSL does not want to\n";
    $self->shake;
}

# "TLSv1.3"
sub version {
    my ($self) = @_;
    return Net::SSLeay::get_version($self->{ssl});
}

1;
