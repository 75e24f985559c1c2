# What the client makes of a service that does not say the product's name.

use strict;
use warnings FATAL => 'all';
use Search::Elasticsearch;

my ( $url, $username, $password ) = @ENV{qw(LATCHKEY_URL LATCHKEY_USERNAME LATCHKEY_PASSWORD)};
# Without a ping, after whose failure the client says no more than that there is no node.
my $client = Search::Elasticsearch->new(
    nodes       => [$url],
    userinfo    => "$username:$password",
    cxn_pool    => 'Static::NoPing',
    max_retries => 0
);
eval { $client->security->authenticate; 1 } and die "not refused\n";
die "$@ is not a failed check of the product\n" unless ref $@ and $@->is('ProductCheck');
print "the client refuses the service\n";
