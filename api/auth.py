"""Who asks: where a token may stand, and the resources that give and take tokens."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from api.envelope import Reply, error
from api.kazoo_request import KazooRequest, RefusedError
from c2c_b2bua.service.accounts import Account, Grant
from c2c_b2bua.service.errors import InvalidError, UnauthenticatedError, UnknownError

IDENTITIES = {"account_name": "name", "account_realm": "realm", "realm": "realm"}
API_KEY_LENGTH = 64


def grant_of(request: KazooRequest) -> Grant:
    """What the request's token is good for; UnauthenticatedError when it has none."""
    accounts = request.exchange.accounts
    headers = request.http.headers
    if token := headers.get("X-Auth-Token"):
        return accounts.grant(token)
    if (token := request.value("auth_token")) and isinstance(token, str):
        return accounts.grant(token)
    authorization = headers.get("Authorization") or request.value("authorization")
    if not authorization or not isinstance(authorization, str):
        raise UnauthenticatedError
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "basic":
        return basic_grant(request, rest)
    return accounts.grant(rest.strip() if scheme.lower() == "bearer" else authorization.strip())


def basic_grant(request: KazooRequest, text: str) -> Grant:
    """`account id:credentials`, base64."""
    try:
        account_id, _, credentials = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise UnauthenticatedError from None
    return request.exchange.accounts.log_in_user(credentials, "md5", id=account_id)[2]


async def api_auth(request: KazooRequest) -> Reply:
    """PUT /v2/api_auth: a token for an API key."""
    api_key = field(request, "api_key")
    if len(api_key) != API_KEY_LENGTH:
        code, word = ("minLength", "at least") if len(api_key) < API_KEY_LENGTH else ("maxLength", "not be more than")
        message = f"String must {'be ' if code == 'minLength' else ''}{word} {API_KEY_LENGTH} characters"
        raise InvalidError.of("api_key", code, message, target=API_KEY_LENGTH, cause=api_key, value=api_key)
    try:
        account, grant = await request.exchange.accounts.log_in_with_key(api_key)
    except UnknownError:
        raise RefusedError(error(404, "bad identifier", [api_key])) from None
    return granted(account, grant, 201)


async def user_auth(request: KazooRequest) -> Reply:
    """PUT /v2/user_auth: a token for a user's credentials."""
    credentials = field(request, "credentials")
    method = request.value("method") or "md5"
    if method not in ("md5", "sha"):
        message = "Value not found in enumerated list of values"
        raise InvalidError.of("method", "enum", message, target=["md5", "sha"], value=method)
    for name, attribute in IDENTITIES.items():
        identity = request.value(name)
        if identity and isinstance(identity, str):
            found = request.exchange.accounts.log_in_user(credentials, method, **{attribute: identity})
            return granted(found[0], found[2], 201)
    raise UnauthenticatedError


async def token_auth(request: KazooRequest) -> Reply:
    """GET /v2/token_auth, GET /v2/user_auth/TOKEN: whose token this is."""
    accounts = request.exchange.accounts
    if request.names:
        grant = accounts.grant(request.names[0])
        if not request.grant or not accounts.may_act_on(request.grant.account_id, grant.account_id):
            raise UnauthenticatedError
    elif request.grant:
        grant = request.grant
    else:
        raise UnauthenticatedError
    return granted(await accounts.account(grant.account_id), grant, 200)


async def end_token(request: KazooRequest) -> Reply:
    """DELETE /v2/token_auth: the token is good no longer."""
    reply = await token_auth(request)
    if request.grant:
        await request.exchange.accounts.revoke(request.grant)
    reply.auth_token = ""
    return reply


def field(request: KazooRequest, name: str) -> str:
    """A string that must be there, or InvalidError."""
    value = request.value(name)
    if value is None:
        raise InvalidError.of(name, "required", "Field is required but missing", value=name)
    if not isinstance(value, str):
        message = "Value did not match type(s): string"
        raise InvalidError.of(name, "type", message, target="string", value=value)
    return value


def granted(account: Account, grant: Grant, status: int) -> Reply:
    """The token, and whose it is."""
    data: dict[str, Any] = {
        "account_id": account.id,
        "account_name": account.name,
        "reseller_id": account.parent or account.id,
        "is_reseller": False,
        "language": "en-us",
        "apps": [],
    }
    if grant.owner_id:
        data["owner_id"] = grant.owner_id
    return Reply(status=status, data=data, auth_token=grant.token)
