# Net::Statsd of Perl, which knows no sets.
use strict;
use warnings;
use Net::Statsd;

($Net::Statsd::HOST, $Net::Statsd::PORT) = $ARGV[0] =~ m{^udp://(.*):(\d+)$} or die "udp only";
Net::Statsd::update_stats("matrix.count", 3) for 1 .. 10;
Net::Statsd::gauge("matrix.gauge", 42.5);
Net::Statsd::timing("matrix.time", 12) for 1 .. 5;
