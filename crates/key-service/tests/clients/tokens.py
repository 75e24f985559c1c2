"""OAuth2 tokens: got, used, refreshed, ended."""

from elasticsearch import AuthenticationException, BadRequestError, NotFoundError
from service import connect, elastic, equal, refused, step

security = elastic.security
security.put_user(username="alice", password="correct horse", roles=[])


def password_grant():
    return security.get_token(grant_type="password", username="alice", password="correct horse")


def bearer(token):
    return connect(bearer_auth=token).security


def ended(invalidated, previously=0):
    return {
        "invalidated_tokens": invalidated,
        "previously_invalidated_tokens": previously,
        "error_count": 0,
    }


with step("a password is exchanged for a token, which lets in"):
    first = password_grant()
    equal((first["type"], first["expires_in"], "scope" in first), ("Bearer", 1200, False))
    equal(first["authentication"]["username"], "alice")
    shown = bearer(first["access_token"]).authenticate()
    equal((shown["username"], shown["authentication_type"]), ("alice", "token"))

with step("a wrong password is refused"):
    refused(
        AuthenticationException,
        "unable to authenticate user [alice]",
        security.get_token,
        grant_type="password",
        username="alice",
        password="wrong",
    )

with step("a caller gets a token for itself"):
    own = security.get_token(grant_type="client_credentials", scope="FULL")
    equal((own["scope"], "refresh_token" in own), ("full", False))
    equal(bearer(own["access_token"]).authenticate()["username"], "elastic")

with step("errors of grants have the form of OAuth2"):
    error = refused(BadRequestError, "unsupported_grant_type", security.get_token, grant_type="zzz")
    assert "grant_type only supports the values" in error.body["error_description"], error.body
    error = refused(BadRequestError, "invalid_request", security.get_token, grant_type="password", username="alice")
    equal(error.body["error_description"], "Validation Failed: 1: password is missing;")

with step("a token is refreshed, by its client and once"):
    refresh = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    second = security.get_token(**refresh)
    assert second["access_token"] != first["access_token"]
    assert second["refresh_token"] != first["refresh_token"]
    equal(bearer(second["access_token"]).authenticate()["username"], "alice")
    again = security.get_token(**refresh)
    equal(again["access_token"], second["access_token"])
    error = refused(BadRequestError, "invalid_grant", security.get_token, grant_type="refresh_token", refresh_token="x")
    equal(error.body["error_description"], "could not refresh the requested token")

with step("a key is granted for a token"):
    granted = security.grant_api_key(
        grant_type="access_token", access_token=second["access_token"], api_key={"name": "granted"}
    )
    equal(connect(api_key=granted["encoded"]).security.authenticate()["username"], "alice")

with step("a token is ended"):
    equal(security.invalidate_token(token=second["access_token"]).body, ended(1))
    equal(security.invalidate_token(token=second["access_token"]).body, ended(0, 1))
    error = refused(AuthenticationException, "token expired", bearer(second["access_token"]).authenticate)
    assert 'error="invalid_token"' in error.body["error"]["header"]["WWW-Authenticate"], error.body

with step("a refresh token is ended"):
    equal(security.invalidate_token(refresh_token=second["refresh_token"]).body, ended(1))
    error = refused(
        BadRequestError,
        "invalid_grant",
        security.get_token,
        grant_type="refresh_token",
        refresh_token=second["refresh_token"],
    )
    equal(error.body["error_description"], "token has been invalidated")

with step("a token that is none is not found"):
    error = refused(NotFoundError, "invalidated_tokens", security.invalidate_token, token="none")
    equal(error.body, ended(0))

with step("all tokens of a user or a realm are ended"):
    password_grant()
    assert security.invalidate_token(username="alice")["invalidated_tokens"] >= 2
    password_grant()
    equal(security.invalidate_token(realm_name="native").body, ended(2))
    equal(security.invalidate_token(username="nobody").body, ended(0))

with step("a request that names no token is refused"):
    both = {"token": "a", "username": "alice"}
    refused(BadRequestError, "token string must not be provided", security.invalidate_token, **both)
    refused(BadRequestError, "only one of [token, refresh_token]", security.invalidate_token, token="a", refresh_token="b")
