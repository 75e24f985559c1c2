"""Who is there, and every way of saying who one is."""

from elasticsearch import AuthenticationException, AuthorizationException, BadRequestError
from service import connect, elastic, equal, refused, step

with step("the service says what it is"):
    assert elastic.ping()
    info = elastic.info()
    equal(info["tagline"], "You Know, for Search")
    equal(info["version"]["build_flavor"], "default")

with step("the super-user sees who it is"):
    shown = elastic.security.authenticate()
    equal((shown["username"], shown["authentication_type"]), ("elastic", "realm"))
    equal(shown["authentication_realm"], {"name": "reserved", "type": "reserved"})

made = elastic.security.create_api_key(name="ci", role_descriptors={"ci": {"cluster": ["monitor"]}})

with step("a key comes in as a pair and as text"):
    for api_key in [(made["id"], made["api_key"]), made["encoded"]]:
        shown = connect(api_key=api_key).security.authenticate()
        equal((shown["username"], shown["authentication_type"]), ("elastic", "api_key"))
        equal((shown["api_key"]["id"], shown["api_key"]["name"]), (made["id"], "ci"))
    assert connect(api_key=made["encoded"]).ping()

with step("a token comes in"):
    token = elastic.security.get_token(grant_type="client_credentials")["access_token"]
    shown = connect(bearer_auth=token).security.authenticate()
    equal((shown["username"], shown["authentication_type"]), ("elastic", "token"))

with step("without a credential nobody comes in"):
    error = refused(
        AuthenticationException,
        "missing authentication credentials for REST request [/_security/_authenticate]",
        connect().security.authenticate,
    )
    equal(error.status_code, 401)
    equal(error.body["error"]["type"], "security_exception")
    equal(len(error.body["error"]["header"]["WWW-Authenticate"]), 3)

with step("nobody comes in with a wrong password"):
    refused(
        AuthenticationException,
        "unable to authenticate user [elastic] for REST request [/_security/_authenticate]",
        connect(basic_auth=("elastic", "wrong")).security.authenticate,
    )

with step("nobody comes in with a wrong key or token"):
    for login, cause in [
        ({"api_key": ("nobody", "secret")}, "API key: unable to find apikey with id nobody"),
        ({"api_key": (made["id"], "secret")}, f"API key: invalid credentials for API key [{made['id']}]"),
        ({"api_key": "no Base64"}, "API key: Illegal base64 character 20"),
        ({"bearer_auth": "token"}, "oauth2 token: invalid token"),
    ]:
        error = refused(
            AuthenticationException,
            "unable to authenticate with provided credentials",
            connect(**login).security.authenticate,
        )
        equal(error.body["error"]["additional_unsuccessful_credentials"], cause)

with step("who may not is told what would allow it"):
    error = refused(
        AuthorizationException,
        "action [cluster:admin/xpack/security/user/put] is unauthorized for API key id "
        f"[{made['id']}] of user [elastic], this action is granted by the cluster privileges [manage_security,all]",
        connect(api_key=made["encoded"]).security.put_user,
        username="eve",
        password="123456",
        roles=["superuser"],
    )
    equal((error.status_code, error.body["status"]), (403, 403))

with step("what is not about security is not there"):
    refused(BadRequestError, "no handler found for uri [/_search]", elastic.search)
