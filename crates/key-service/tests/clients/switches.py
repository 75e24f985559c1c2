"""The same with every switch of the client on: compression, sniffing, typed keys."""

from base64 import b64encode
from urllib.parse import urlsplit

from elastic_transport import NodeConfig
from elasticsearch import Elasticsearch
from service import LOGIN, PASSWORD, URL, USERNAME, connect, elastic, equal, step

with step("the cluster is healthy"):
    equal(elastic.cluster.health(wait_for_status="yellow", timeout="10s")["status"], "green")

with step("a client that compresses leads a key through its life"):
    client = connect(**LOGIN, http_compress=True)
    made = client.security.create_api_key(name="compressed", metadata={"long": "x" * 10_000})
    shown = client.security.get_api_key(id=made["id"])["api_keys"][0]
    equal((shown["name"], len(shown["metadata"]["long"])), ("compressed", 10_000))
    equal(client.security.invalidate_api_key(ids=[made["id"]])["invalidated_api_keys"], [made["id"]])

with step("a client that sniffs finds the service where it has found it"):
    # What sniffs has no login of the client: the node must have it, here as with Elasticsearch.
    url = urlsplit(URL)
    login = {"authorization": "Basic " + b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()}
    node = NodeConfig(url.scheme, url.hostname, url.port, headers=login)
    client = Elasticsearch([node], max_retries=0, request_timeout=60, sniff_on_start=True)
    nodes = list(client.transport.node_pool.all())
    equal([node.base_url for node in nodes], [URL])
    assert client.ping()

with step("a client may ask for typed keys"):
    found = elastic.security.query_api_keys(
        size=0, typed_keys=True, aggs={"names": {"terms": {"field": "name"}}}
    )
    equal(found["aggregations"]["sterms#names"]["buckets"], [{"key": "compressed", "doc_count": 1}])
