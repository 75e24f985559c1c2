"""The life of keys, from the first to the last."""

from elasticsearch import (
    AuthenticationException,
    AuthorizationException,
    BadRequestError,
    NotFoundError,
)
from service import connect, elastic, equal, refused, step

security = elastic.security


def get_one(**query):
    keys = security.get_api_key(**query)["api_keys"]
    equal(len(keys), 1)
    return keys[0]


def names(answer):
    return sorted(key["name"] for key in answer["api_keys"])


with step("a key is made"):
    reads_logs = {"indices": [{"names": ["logs-*"], "privileges": ["read"]}]}
    first = security.create_api_key(
        name="red-1",
        expiration="1d",
        role_descriptors={"reads-logs": reads_logs},
        metadata={"team": "red", "size": 1},
        refresh="wait_for",
    )
    equal(sorted(first.body), ["api_key", "encoded", "expiration", "id", "name"])
    second = security.create_api_key(name="red-2", metadata={"team": "red", "size": 2})
    equal(sorted(second.body), ["api_key", "encoded", "id", "name"])

with step("a key is found by its id"):
    key = get_one(id=first["id"])
    equal((key["type"], key["invalidated"], key["expiration"]), ("rest", False, first["expiration"]))
    equal((key["username"], key["realm"], key["realm_type"]), ("elastic", "reserved", "reserved"))
    equal(key["metadata"], {"team": "red", "size": 1})
    equal(key["role_descriptors"]["reads-logs"]["indices"][0]["names"], ["logs-*"])
    assert "limited_by" not in key
    limited = get_one(id=first["id"], with_limited_by=True)
    equal(list(limited["limited_by"][0]), ["superuser"])

with step("keys are found by name, owner and user"):
    equal(names(security.get_api_key(name="red-*")), ["red-1", "red-2"])
    equal(names(security.get_api_key(owner=True, name="red-1")), ["red-1"])
    equal(names(security.get_api_key(username="elastic", realm_name="reserved")), ["red-1", "red-2"])
    equal(names(security.get_api_key(username="nobody")), [])
    equal(names(security.get_api_key(active_only=True)), ["red-1", "red-2"])

with step("an id that no key has is not found"):
    error = refused(NotFoundError, "{'api_keys': []}", security.get_api_key, id="nobody")
    equal((error.status_code, error.body), (404, {"api_keys": []}))

with step("what makes no sense is refused in words"):
    refused(BadRequestError, "Required [name]", security.create_api_key, metadata={})
    refused(
        BadRequestError,
        "Validation Failed: 1: api key name may not begin with an underscore;",
        security.create_api_key,
        name="_x",
    )
    error = refused(
        BadRequestError,
        "failed to parse role [r]. unexpected field [clutser]",
        security.create_api_key,
        name="x",
        role_descriptors={"r": {"clutser": []}},
    )
    equal(error.body["error"]["type"], "x_content_parse_exception")
    refused(
        BadRequestError,
        "only one of [api key id, api key name] can be specified",
        security.get_api_key,
        id="x",
        name="y",
    )
    refused(BadRequestError, "One of [api key id(s), api key name", security.invalidate_api_key, owner=False)

with step("a key is updated"):
    refused(
        BadRequestError,
        "authentication via API key not supported: only the owner user can update an API key",
        connect(api_key=second["encoded"]).security.update_api_key,
        id=second["id"],
    )
    new_roles = {"monitors": {"cluster": ["monitor"]}}
    changed = {"id": second["id"], "role_descriptors": new_roles, "metadata": {"team": "blue"}}
    equal(security.update_api_key(**changed).body, {"updated": True})
    equal(security.update_api_key(**changed).body, {"updated": False})
    key = get_one(id=second["id"])
    equal((key["metadata"], list(key["role_descriptors"])), ({"team": "blue"}, ["monitors"]))
    refused(
        NotFoundError,
        "no API key owned by requesting user found for ID [nobody]",
        security.update_api_key,
        id="nobody",
    )

with step("several keys are updated at once"):
    done = security.bulk_update_api_keys(
        ids=[first["id"], second["id"], "nobody"], metadata={"team": "blue"}
    )
    equal((done["updated"], done["noops"]), ([first["id"]], [second["id"]]))
    equal((done["errors"]["count"], list(done["errors"]["details"])), (1, ["nobody"]))
    equal(done["errors"]["details"]["nobody"]["type"], "resource_not_found_exception")

with step("keys are searched"):
    everything = security.query_api_keys()
    equal((everything["total"], everything["count"], names(everything)), (2, 2, ["red-1", "red-2"]))
    blue = security.query_api_keys(
        query={"bool": {"must": [{"term": {"metadata.team": "blue"}}, {"prefix": {"name": "red"}}]}},
        sort=[{"name": {"order": "desc"}}],
        size=1,
        with_limited_by=True,
    )
    equal((blue["total"], blue["count"], names(blue)), (2, 1, ["red-2"]))
    equal(blue["api_keys"][0]["_sort"], ["red-2"])
    rest = security.query_api_keys(sort=[{"name": {"order": "desc"}}], search_after=["red-2"])
    equal(names(rest), ["red-1"])
    counted = security.query_api_keys(size=0, aggs={"teams": {"terms": {"field": "metadata.team"}}})
    equal(counted["api_keys"], [])
    equal(counted["aggregations"]["teams"]["buckets"], [{"key": "blue", "doc_count": 2}])
    refused(
        BadRequestError,
        "Field [secret] is not allowed for querying or aggregation",
        security.query_api_keys,
        query={"term": {"secret": "x"}},
    )

with step("the cache is cleared"):
    for ids in [first["id"], [first["id"], second["id"]], "*"]:
        equal(security.clear_api_key_cache(ids=ids)["_nodes"], {"total": 1, "successful": 1, "failed": 0})

with step("a key is granted to somebody else"):
    security.put_user(username="alice", password="correct horse", roles=[])
    grant = {"grant_type": "password", "username": "alice", "api_key": {"name": "granted"}}
    granted = security.grant_api_key(password="correct horse", **grant)
    equal((granted["name"], get_one(id=granted["id"])["username"]), ("granted", "alice"))
    error = refused(
        AuthorizationException,
        "unable to authenticate user [alice] for action [cluster:admin/xpack/security/api_key/grant]",
        security.grant_api_key,
        password="wrong",
        **grant,
    )
    equal(error.body["error"]["reason"], "Failed to authenticate api key grant")
    refused(
        BadRequestError,
        "[username] is required for grant_type [password]",
        security.grant_api_key,
        grant_type="password",
        password="correct horse",
        api_key={"name": "x"},
    )

with step("a key is granted by run-as"):
    security.put_role(name="is-alice", run_as=["alice"])
    security.put_user(username="bob", password="correct horse", roles=["is-alice"])
    granted = security.grant_api_key(
        grant_type="password",
        username="bob",
        password="correct horse",
        run_as="alice",
        api_key={"name": "for-alice"},
    )
    equal(get_one(id=granted["id"])["username"], "alice")


def clone_api_key(**body):
    """The client's own method, where it has one: 8.x has none."""
    if hasattr(security, "clone_api_key"):
        return security.clone_api_key(**body)
    json = {"accept": "application/json", "content-type": "application/json"}
    return elastic.perform_request("POST", "/_security/api_key/clone", headers=json, body=body)


with step("a key is cloned"):
    clone = clone_api_key(api_key=first["encoded"], name="red-1-clone")
    assert clone["id"] != first["id"] and clone["api_key"] != first["api_key"]
    cloned = get_one(id=clone["id"])
    equal((cloned["name"], cloned["metadata"]), ("red-1-clone", {}))
    equal(list(cloned["role_descriptors"]), ["reads-logs"])
    error = refused(AuthorizationException, "", clone_api_key, api_key="bm9ib2R5OnNlY3JldA==")
    equal(error.body["error"]["reason"], "Failed to clone API key")

with step("a key is asked what it may do"):
    answer = connect(api_key=first["encoded"]).security.has_privileges(
        cluster=["monitor"],
        index=[{"names": ["logs-1", "metrics-1"], "privileges": ["read", "write"]}],
    )
    equal((answer["username"], answer["has_all_requested"]), ("elastic", False))
    equal(answer["cluster"], {"monitor": False})
    equal(answer["index"]["logs-1"], {"read": True, "write": False})
    equal(answer["index"]["metrics-1"], {"read": False, "write": False})

with step("there are no cross-cluster keys"):
    refusal = "cross-cluster API keys are not supported"
    access = {"search": [{"names": ["logs"]}]}
    refused(BadRequestError, refusal, security.create_cross_cluster_api_key, name="x", access=access)
    refused(BadRequestError, refusal, security.update_cross_cluster_api_key, id="x", access=access)

with step("keys are ended by id, name, owner and user"):
    other = {"username": "alice", "realm_name": "native"}
    for query, count in [
        ({"ids": [first["id"], "nobody"]}, 1),
        ({"ids": [first["id"]]}, 0),
        ({"name": "red-1-*"}, 1),
        ({"owner": True}, 1),
        (other, 2),
    ]:
        ended = security.invalidate_api_key(**query)
        equal((len(ended["invalidated_api_keys"]), ended["error_count"]), (count, 0))
    equal(names(security.get_api_key(active_only=True)), [])

with step("an ended key is shown and not let in"):
    key = get_one(id=first["id"])
    assert key["invalidated"] and key["invalidation"] >= key["creation"]
    error = refused(
        AuthenticationException,
        "unable to authenticate",
        connect(api_key=first["encoded"]).security.authenticate,
    )
    cause = f"API key: api key [{first['id']}] has been invalidated"
    equal(error.body["error"]["additional_unsuccessful_credentials"], cause)
    refused(
        BadRequestError,
        f"cannot update invalidated API key [{first['id']}]",
        security.update_api_key,
        id=first["id"],
    )
