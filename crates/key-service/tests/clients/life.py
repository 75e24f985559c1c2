"""The life of a key as a client of 7.x leads it, whose methods take bodies, with every switch on: compression, sniffing, typed keys."""

import os
import warnings

from elasticsearch import AuthenticationException, AuthorizationException, Elasticsearch, ElasticsearchWarning
from sentences import equal, step

warnings.filterwarnings("error", category=ElasticsearchWarning)

URL = os.environ["LATCHKEY_URL"]
LOGIN = {"http_auth": (os.environ["LATCHKEY_USERNAME"], os.environ["LATCHKEY_PASSWORD"])}


def connect(**named):
    return Elasticsearch([URL], max_retries=0, timeout=60, **named)


elastic = connect(**LOGIN)


def refused(kind, reason, call, **named):
    try:
        answer = call(**named)
    except kind as error:
        assert reason in str(error), f"{error} does not say {reason}"
        return error
    raise AssertionError(f"not refused: {answer}")


def lead_a_key(client, name):
    """Makes a key with a long text in it, finds it, and ends it."""
    made = client.security.create_api_key(body={"name": name, "metadata": {"long": "x" * 10_000}})
    shown = client.security.get_api_key(id=made["id"], owner=True)["api_keys"][0]
    equal((shown["name"], len(shown["metadata"]["long"])), (name, 10_000))
    ended = client.security.invalidate_api_key(body={"ids": [made["id"]], "owner": True})
    equal(ended["invalidated_api_keys"], [made["id"]])


with step("the service says what it is"):
    assert elastic.ping()
    equal(elastic.info()["tagline"], "You Know, for Search")

with step("the super-user sees who it is"):
    shown = elastic.security.authenticate()
    equal((shown["username"], shown["authentication_type"]), ("elastic", "realm"))

with step("a key is made, found and let in"):
    roles = {"monitors": {"cluster": ["monitor"]}}
    made = elastic.security.create_api_key(body={"name": "ci", "expiration": "1d", "role_descriptors": roles})
    equal(elastic.security.get_api_key(id=made["id"])["api_keys"][0]["name"], "ci")
    found = elastic.security.query_api_keys(body={"query": {"term": {"name": "ci"}}})
    equal((found["total"], found["api_keys"][0]["id"]), (1, made["id"]))
    key = connect(api_key=(made["id"], made["api_key"]))
    shown = key.security.authenticate()
    equal((shown["authentication_type"], shown["api_key"]["name"]), ("api_key", "ci"))
    asked = key.security.has_privileges(body={"cluster": ["monitor", "manage"]})
    equal(asked["cluster"], {"monitor": True, "manage": False})

with step("a key that is revoked is shown and not let in"):
    ended = elastic.security.invalidate_api_key(body={"ids": [made["id"]]})
    equal(ended["invalidated_api_keys"], [made["id"]])
    assert elastic.security.get_api_key(id=made["id"])["api_keys"][0]["invalidated"]
    refused(AuthenticationException, "unable to authenticate", key.security.authenticate)

with step("a token lets in until it is ended"):
    token = elastic.security.get_token(body={"grant_type": "client_credentials"})["access_token"]
    bearer = connect(headers={"authorization": f"Bearer {token}"})
    equal(bearer.security.authenticate()["authentication_type"], "token")
    equal(elastic.security.invalidate_token(body={"token": token})["invalidated_tokens"], 1)
    refused(AuthenticationException, "token expired", bearer.security.authenticate)

with step("a user may do what its role grants, and nothing else"):
    elastic.security.put_role(name="own-keys", body={"cluster": ["manage_own_api_key", "monitor"]})
    elastic.security.put_user(username="alice", body={"password": "correct horse", "roles": ["own-keys"]})
    alice = connect(http_auth=("alice", "correct horse"))
    lead_a_key(alice, "of-alice")
    refused(AuthorizationException, "user [alice] with effective roles [own-keys]", alice.security.get_user)
    equal(elastic.security.delete_user(username="alice"), {"found": True})

with step("the cluster is healthy"):
    equal(elastic.cluster.health(wait_for_status="yellow", timeout="10s")["status"], "green")

with step("a client that compresses leads a key through its life"):
    lead_a_key(connect(**LOGIN, http_compress=True), "compressed")

with step("a client that sniffs finds the service where it has found it"):
    client = connect(**LOGIN, sniff_on_start=True)
    equal([node.host for node in client.transport.connection_pool.connections], [URL])
    assert client.ping()

with step("a client may ask for typed keys"):
    counted = {"size": 0, "aggs": {"names": {"terms": {"field": "name"}}}, "query": {"term": {"name": "ci"}}}
    found = elastic.security.query_api_keys(body=counted, params={"typed_keys": "true"})
    equal(found["aggregations"]["sterms#names"]["buckets"], [{"key": "ci", "doc_count": 1}])
