"""Users, roles, application privileges, and what they come to."""

from elasticsearch import AuthenticationException, AuthorizationException, BadRequestError, NotFoundError
from service import connect, elastic, equal, refused, step

security = elastic.security


def alice(password="correct horse"):
    return connect(basic_auth=("alice", password))


with step("a role is made and shown"):
    keeper = {"cluster": ["manage_own_api_key"], "run_as": ["bob"], "metadata": {"office": 7}}
    equal(security.put_role(name="keeper", **keeper).body, {"role": {"created": True}})
    equal(security.put_role(name="keeper", **keeper).body, {"role": {"created": False}})
    shown = security.get_role(name="keeper")["keeper"]
    equal({field: shown[field] for field in keeper}, keeper)
    assert {"keeper", "superuser"} <= set(security.get_role().body)
    refused(NotFoundError, "{}", security.get_role, name="nobody")
    refused(BadRequestError, "unknown cluster privilege [zzz]", security.put_role, name="r", cluster=["zzz"])

with step("a user is made, shown and let in"):
    user = {"roles": ["keeper"], "full_name": "Alice Liddell", "email": "a@example.org", "metadata": {"x": 1}}
    made = security.put_user(username="alice", password="correct horse", refresh="wait_for", **user)
    equal(made.body, {"created": True})
    equal(security.put_user(username="alice", **user).body, {"created": False})
    expected = {"username": "alice", "enabled": True, **user}
    equal(security.get_user(username="alice").body, {"alice": expected})
    shown = alice().security.authenticate()
    equal({field: shown[field] for field in expected}, expected)
    equal(shown["authentication_realm"], {"name": "native", "type": "native"})

with step("users are shown together"):
    security.put_user(username="bob", password="correct horse", roles=[])
    equal(sorted(security.get_user(username=["alice", "bob", "nobody"]).body), ["alice", "bob"])
    equal(sorted(security.get_user().body), ["alice", "bob", "elastic"])
    equal(refused(NotFoundError, "{}", security.get_user, username="nobody").body, {})

with step("users that make no sense are refused in words"):
    short = "passwords must be at least [6] characters long"
    refused(BadRequestError, short, security.put_user, username="eve", password="short", roles=[])
    missing = "Validation Failed: 1: roles are missing;"
    refused(BadRequestError, missing, security.put_user, username="eve", password="123456")

with step("a user is switched off and on"):
    equal(security.disable_user(username="alice").body, {})
    denial = "unable to authenticate user [alice] for REST request [/_security/_authenticate]"
    refused(AuthenticationException, denial, alice().security.authenticate)
    equal(security.enable_user(username="alice").body, {})
    equal(alice().security.authenticate()["enabled"], True)

with step("a password is changed by whom it lets in, and by who may"):
    equal(alice().security.change_password(password="second password").body, {})
    refused(AuthenticationException, denial, alice().security.authenticate)
    by_other = alice("second password").security.change_password
    refused(AuthorizationException, "user/change_password] is unauthorized", by_other, username="bob", password="123456")
    equal(security.change_password(username="alice", password="correct horse").body, {})
    assert alice().security.authenticate()

with step("one user acts as another"):
    run_as_bob = alice().options(headers={"es-security-runas-user": "bob"})
    shown = run_as_bob.security.authenticate()
    equal((shown["username"], shown["authentication_type"]), ("bob", "realm"))
    run_as_elastic = alice().options(headers={"es-security-runas-user": "elastic"})
    refused(AuthorizationException, "user [alice] is unauthorized to run as [elastic]", run_as_elastic.security.authenticate)

with step("application privileges are registered and shown"):
    read = {"actions": ["data:read/*"], "metadata": {"v": 1}}
    shop = {"shop": {"read": read, "all": {"actions": ["data:*"]}}}
    created = security.put_privileges(privileges=shop)
    equal(created.body, {"shop": {"read": {"created": True}, "all": {"created": True}}})
    read = {"application": "shop", "name": "read", **read}
    equal(security.get_privileges(application="shop", name="read").body, {"shop": {"read": read}})
    equal(list(security.get_privileges(application="shop")["shop"]), ["all", "read"])
    equal(list(security.get_privileges().body), ["shop"])
    refused(NotFoundError, "{}", security.get_privileges, application="shop", name="none")
    assert "manage_own_api_key" in security.get_builtin_privileges()["cluster"]

with step("a user asks what it may do"):
    applications = [{"application": "shop", "privileges": ["read"], "resources": ["tea"]}]
    keeper["applications"] = applications
    keeper["indices"] = [{"names": ["logs-*"], "privileges": ["read"]}]
    security.put_role(name="keeper", **keeper)
    answer = alice().security.has_privileges(
        cluster=["manage_own_api_key", "manage_security"],
        index=[{"names": ["logs-1"], "privileges": ["read", "write"]}],
        application=[{"application": "shop", "privileges": ["read", "all"], "resources": ["tea"]}],
    )
    equal(
        answer.body,
        {
            "username": "alice",
            "has_all_requested": False,
            "cluster": {"manage_own_api_key": True, "manage_security": False},
            "index": {"logs-1": {"read": True, "write": False}},
            "application": {"shop": {"tea": {"read": True, "all": False}}},
        },
    )
    named = alice().security.has_privileges(user="alice", cluster=["manage_own_api_key"])
    equal(named["has_all_requested"], True)
    privileges = alice().security.get_user_privileges()
    equal((privileges["cluster"], privileges["run_as"]), (["manage_own_api_key"], ["bob"]))
    equal(privileges["applications"], applications)

with step("who may not is told what would allow it"):
    error = refused(
        AuthorizationException,
        "is unauthorized for user [alice] with effective roles [keeper], this action is granted by the cluster "
        "privileges [manage_security,all]",
        alice().security.put_role,
        name="keeper",
        cluster=["all"],
    )
    equal(error.status_code, 403)

with step("privileges, roles and users are removed"):
    equal(security.delete_privileges(application="shop", name="read").body, {"shop": {"read": {"found": True}}})
    error = refused(NotFoundError, "found", security.delete_privileges, application="shop", name="read")
    equal(error.body, {"shop": {"read": {"found": False}}})
    equal(security.delete_role(name="keeper").body, {"found": True})
    equal(refused(NotFoundError, "found", security.delete_role, name="keeper").body, {"found": False})
    equal(security.delete_user(username="alice").body, {"found": True})
    equal(refused(NotFoundError, "found", security.delete_user, username="alice").body, {"found": False})
    refused(AuthenticationException, denial, alice().security.authenticate)
