# A process of ours under test: started, asked, looked at, stopped.
package PortolanProcess;

use strict;
use warnings;

use File::Temp ();
use POSIX ();
use Time::HiRes qw(time sleep);

our $TIMEOUT = 30;
my %running;

# The scratch folder of this run, gone at its end.
my $folder = File::Temp->newdir;
my $count  = 0;

# Start a program; its standard output and error go to files.  PORTOLAN_* of the caller's
# environment and the user's own secret stay out of it.
sub spawn_process {
    my ($class, @command) = @_;
    my $self = bless { files => "$folder/" . ++$count, command => "@command" }, $class;
    my $pid = fork // die "cannot fork: $!\n";
    if ($pid == 0) {
        delete @ENV{qw(PORTOLAN_SEED PORTOLAN_SECRET)};
        $ENV{XDG_CONFIG_HOME} = "$folder";
        open STDIN,  '<', '/dev/null';
        open STDOUT, '>', "$self->{files}.out";
        open STDERR, '>', "$self->{files}.err";
        exec @command or POSIX::_exit(127);
    }
    $self->{pid} = $pid;
    $running{$pid} = $self;
    return $self;
}

# Start a node and wait for its ready line.
sub start {
    my ($class, @command) = @_;
    my $self  = $class->spawn_process(@command);
    my $until = time + $TIMEOUT;
    my @ready;
    until (@ready = $self->output =~ /^portolan: ready node=(\S+) addresses=(\S*) shards=(\d+)$/m) {
        die "no ready line from: $self->{command}\n" . $self->log . "\n"
            if time > $until || $self->ended;
        sleep 0.02;
    }
    @$self{qw(node addresses shards)} = @ready;
    ($self->{address}) = split /,/, $self->{addresses};
    return $self;
}

sub slurp {
    my ($path) = @_;
    open my $file, '<', $path or return '';
    local $/;
    return <$file> // '';
}

sub output { slurp($_[0]{files} . '.out') }
sub log    { slurp($_[0]{files} . '.err') }

# The lines logged since the last call.
sub new_log_lines {
    my ($self) = @_;
    my $text = substr $self->log, $self->{log_seen} // 0;
    $text =~ s/[^\n]*\z//;    # a line that is being written counts the next time
    $self->{log_seen} += length $text;
    return split /\n/, $text;
}

# Whether the process has ended; then {status} is its wait status.
sub ended {
    my ($self) = @_;
    return 1 if defined $self->{status};
    return 0 if waitpid($self->{pid}, POSIX::WNOHANG()) != $self->{pid};
    $self->{status} = $?;
    delete $running{ $self->{pid} };
    return 1;
}

# The exit code, or -signal.
sub code {
    my ($self) = @_;
    return $self->{status} & 127 ? -($self->{status} & 127) : $self->{status} >> 8;
}

# End it as an operator does.  Returns the exit code, or undef when it had to be killed.
sub stop {
    my ($self, $timeout) = @_;
    return $self->code if $self->ended;
    kill TERM => $self->{pid};
    my $until = time + ($timeout // $TIMEOUT);
    until ($self->ended) {
        if (time > $until) {
            kill KILL => $self->{pid};
            waitpid $self->{pid}, 0;
            delete $running{ $self->{pid} };
            $self->{status} = 9;
            return undef;
        }
        sleep 0.01;
    }
    return $self->code;
}

# Resident memory in KiB.
sub rss {
    my ($self) = @_;
    return slurp("/proc/$self->{pid}/status") =~ /^VmRSS:\s+(\d+)/m ? $1 : 0;
}

END {
    my $status = $?;
    for my $process (values %running) {
        kill KILL => $process->{pid};
        waitpid $process->{pid}, 0;
    }
    $? = $status;
}

1;
