# Connects a chat driver to irssi over the descriptor TAP_FD: commands in, and what the user is shown out. A line consists of
# words in hexadecimal digits, separated by blanks, so that no text can end a line or a word.
use strict;
use warnings;
use Irssi;
use Irssi::Irc;
use IO::Handle;

our $VERSION = '1';
our %IRSSI = (name => 'tap', authors => 'Otterproof', description => 'a tap for tests', license => 'MIT');

my $tap = IO::Handle->new_from_fd($ENV{TAP_FD}, 'r+') or die "no tap: $!";
my $buffer = '';

sub report {
    my @words = map { my $word = defined $_ ? "$_" : ''; utf8::encode($word) if utf8::is_utf8($word); $word } @_;
    syswrite $tap, join(' ', map { unpack 'H*', $_ } @words) . "\n";
}

# Added last, so that the plugin has decrypted the message or stopped the signal.
Irssi::signal_add_last('message private', sub { report('text', $_[2], $_[1]) });
# The plugin turns a text that begins with "/me " into an action.
Irssi::signal_add_last('message irc action', sub { report('text', $_[2], "/me $_[1]") });
Irssi::signal_add('print text', sub { report('shown', $_[0]{target}, $_[2]) });
Irssi::signal_register({'otr event' => [qw(iobject string string)]});
Irssi::signal_add('otr event', sub { report('otr', $_[1], $_[2]) });

sub window_of {
    my ($server, $nick) = @_;
    my $query = $server->query_find($nick);
    return $query if $query;
    Irssi::Irc::Server::query_create($server->{tag}, $nick, 0);
    return $server->query_find($nick);
}

# type NICK COMMAND: type into a correspondent's window. leave NICK: close that window.
sub obey {
    my ($verb, $nick, $command) = map { pack 'H*', $_ } split / /, $_[0];
    my ($server) = Irssi::servers();
    if ($verb eq 'type') { window_of($server, $nick)->command($command) }
    elsif ($verb eq 'leave') { my $query = $server->query_find($nick); $query->destroy() if $query }
    report('done');
}

Irssi::input_add(fileno($tap), Irssi::INPUT_READ, sub {
    return unless sysread $tap, $buffer, 65536, length $buffer;
    obey($1) while $buffer =~ s/^([^\n]*)\n//;
}, undef);
report('ready');
