# The life of a key as the client for Perl leads it, with every switch on: compression, sniffing, typed keys.

use strict;
use warnings FATAL => 'all';
use MIME::Base64 qw(encode_base64);
use Search::Elasticsearch;

$| = 1;
my ( $url, $username, $password ) = @ENV{qw(LATCHKEY_URL LATCHKEY_USERNAME LATCHKEY_PASSWORD)};

# A client that logs in like this, with what else it is told.
sub connect_by {
    my ( $authorization, %more ) = @_;
    return Search::Elasticsearch->new(
        nodes           => [$url],
        max_retries     => 0,
        request_timeout => 60,
        default_headers => { Authorization => $authorization },
        %more
    );
}

sub basic { return 'Basic ' . encode_base64( join( ':', @_ ), '' ) }

sub step {
    my ( $sentence, $block ) = @_;
    $block->();
    print "$sentence\n";
}

sub equal {
    my ( $shown, $expected ) = @_;
    die "shown: $shown, expected: $expected\n" if $shown ne $expected;
}

# Of a call that must be refused with this kind of error, which must say this.
sub refused {
    my ( $kind, $reason, $call ) = @_;
    eval { $call->(); 1 } and die "not refused\n";
    my $error = $@;
    die "$error is not $kind\n" unless ref $error and $error->is($kind);
    my $told = $error->{vars}{body}{error}{reason};
    die "$told does not say $reason\n" if index( $told, $reason ) < 0;
}

# Makes a key with a long text in it, finds it, and ends it.
sub lead_a_key {
    my ( $client, $name ) = @_;
    my $security = $client->security;
    my $made  = $security->create_api_key( body => { name => $name, metadata => { long => 'x' x 10_000 } } );
    my $shown = $security->get_api_key( id => $made->{id}, owner => 1 )->{api_keys}[0];
    equal( $shown->{name}, $name );
    equal( length $shown->{metadata}{long}, 10_000 );
    my $ended = $security->invalidate_api_key( body => { ids => [ $made->{id} ], owner => \1 } );
    equal( "@{ $ended->{invalidated_api_keys} }", $made->{id} );
}

my $login    = basic( $username, $password );
my $elastic  = connect_by($login);
my $security = $elastic->security;

step 'the service says what it is', sub {
    die 'no answer to a ping' unless $elastic->ping;
    equal( $elastic->info->{tagline}, 'You Know, for Search' );
};

step 'the super-user sees who it is', sub {
    my $shown = $security->authenticate;
    equal( "$shown->{username} $shown->{authentication_type}", 'elastic realm' );
};

my $made = $security->create_api_key(
    body => { name => 'ci', expiration => '1d', role_descriptors => { monitors => { cluster => ['monitor'] } } } );
my $key = connect_by("ApiKey $made->{encoded}");

step 'a key is made, found and let in', sub {
    equal( $security->get_api_key( id => $made->{id} )->{api_keys}[0]{name}, 'ci' );
    my $found = $security->query_api_keys( body => { query => { term => { name => 'ci' } } } );
    equal( "$found->{total} $found->{api_keys}[0]{id}", "1 $made->{id}" );
    my $shown = $key->security->authenticate;
    equal( "$shown->{authentication_type} $shown->{api_key}{name}", 'api_key ci' );
    my $asked = $key->security->has_privileges( body => { cluster => [ 'monitor', 'manage' ] } );
    die 'monitor is not granted' unless $asked->{cluster}{monitor};
    die 'manage is granted' if $asked->{cluster}{manage};
};

step 'a key that is revoked is shown and not let in', sub {
    my $ended = $security->invalidate_api_key( body => { ids => [ $made->{id} ] } );
    equal( "@{ $ended->{invalidated_api_keys} }", $made->{id} );
    die 'not shown as ended' unless $security->get_api_key( id => $made->{id} )->{api_keys}[0]{invalidated};
    refused( 'Unauthorized', 'unable to authenticate', sub { $key->security->authenticate } );
};

step 'a token lets in until it is ended', sub {
    my $token = $security->get_token( body => { grant_type => 'client_credentials' } )->{access_token};
    my $bearer = connect_by("Bearer $token")->security;
    equal( $bearer->authenticate->{authentication_type}, 'token' );
    equal( $security->invalidate_token( body => { token => $token } )->{invalidated_tokens}, 1 );
    refused( 'Unauthorized', 'token expired', sub { $bearer->authenticate } );
};

step 'a user may do what its role grants, and nothing else', sub {
    $security->put_role( name => 'own-keys', body => { cluster => [ 'manage_own_api_key', 'monitor' ] } );
    $security->put_user( username => 'alice', body => { password => 'correct horse', roles => ['own-keys'] } );
    my $alice = connect_by( basic( 'alice', 'correct horse' ) );
    lead_a_key( $alice, 'of-alice' );
    refused( 'Forbidden', 'user [alice] with effective roles [own-keys]', sub { $alice->security->get_user } );
    die 'alice is not found' unless $security->delete_user( username => 'alice' )->{found};
};

step 'the cluster is healthy', sub {
    equal( $elastic->cluster->health( wait_for_status => 'yellow', timeout => '10s' )->{status}, 'green' );
};

step 'a client that compresses leads a key through its life', sub {
    lead_a_key( connect_by( $login, $_ => 1 ), "compressed by $_" ) for qw(gzip deflate);
};

step 'a client that sniffs finds the service where it has found it', sub {
    my $client = connect_by( $login, cxn_pool => 'Sniff' );
    die 'no answer to a ping' unless $client->ping;
    equal( join( ' ', map { $_->stringify } @{ $client->transport->cxn_pool->cxns } ), $url );
};

step 'a client may ask for typed keys', sub {
    my $found = $elastic->transport->perform_request(
        method => 'POST',
        path   => '/_security/_query/api_key',
        qs     => { typed_keys => 'true' },
        body   => { size => 0, aggs => { names => { terms => { field => 'name' } } }, query => { term => { name => 'ci' } } }
    );
    my $buckets = $found->{aggregations}{'sterms#names'}{buckets};
    equal( join( ' ', map {"$_->{key} $_->{doc_count}"} @$buckets ), 'ci 1' );
};
