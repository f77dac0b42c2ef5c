"""Who asks: where a token may stand, and the resources that give and take tokens."""

from __future__ import annotations

import base64
import binascii
from typing import Any

from api.envelope import X_AUTH_TOKEN, Reply, error
from api.kazoo_request import KazooRequest, RefusedError
from c2c_b2bua.service.accounts import Account, Grant
from c2c_b2bua.service.errors import ForbiddenError, UnauthenticatedError, UnknownError
from c2c_b2bua.service.validation import Schema

API_AUTH: Schema = {
    "type": "object",
    "required": ["api_key"],
    "properties": {"api_key": {"type": "string", "minLength": 64, "maxLength": 64}},
}
USER_AUTH: Schema = {
    "type": "object",
    "required": ["credentials"],
    "properties": {
        "credentials": {"type": "string"},
        "method": {"type": "string", "enum": ["md5", "sha"], "default": "md5"},
        "account_name": {"type": "string"},
        "account_realm": {"type": "string"},
        "realm": {"type": "string"},
        "phone_number": {"type": "string"},
    },
}


def grant_of(request: KazooRequest) -> Grant:
    """What the request's token is good for; UnauthenticatedError when it has none."""
    accounts = request.exchange.accounts
    if token := token_of(request):
        return accounts.grant(token)
    authorization = authorization_of(request)
    if not authorization:
        raise UnauthenticatedError
    scheme, _, rest = authorization.partition(" ")
    if scheme.lower() == "basic":
        return basic_grant(request, rest)
    return accounts.grant(rest.strip() if scheme.lower() == "bearer" else authorization.strip())


def token_of(request: KazooRequest) -> str:
    """The token itself, or "" where there is none."""
    if token := request.http.headers.get(X_AUTH_TOKEN):
        return token
    token = request.value("auth_token")
    return token if isinstance(token, str) else ""


def authorization_of(request: KazooRequest) -> str:
    """Scheme and credentials, or ""."""
    authorization = request.http.headers.get("Authorization") or request.value("authorization")
    return authorization if isinstance(authorization, str) else ""


def has_password(request: KazooRequest) -> bool:
    """Whether it is by a password that the client says who it is."""
    return not token_of(request) and authorization_of(request)[:6].lower() == "basic "


def basic_grant(request: KazooRequest, text: str) -> Grant:
    """`account id:credentials`, base64."""
    try:
        account_id, _, credentials = base64.b64decode(text, validate=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise UnauthenticatedError from None
    return request.exchange.accounts.log_in_user(credentials, "md5", id=account_id)[2]


def authenticate(request: KazooRequest) -> None:
    """Note who asks; UnauthenticatedError, ForbiddenError for somebody else's account. Anyone may do an open connect."""
    try:
        grant = grant_of(request)
    except UnauthenticatedError:
        if is_open(request):
            return
        raise
    account_id = request.account.id
    if grant.account_id == account_id or request.exchange.accounts.may_act_on(grant.account_id, account_id):
        request.grant = grant
    elif not is_open(request):
        raise ForbiddenError


def is_open(request: KazooRequest) -> bool:
    """Whether this connect is for anyone."""
    if request.segments[-1] != "connect" or len(request.names) != 2:
        return False
    document = request.exchange.documents.find(request.account.id, request.names[1])
    return document is not None and not document.auth_required


async def api_auth(request: KazooRequest) -> Reply:
    """PUT /v2/api_auth: a token for an API key."""
    api_key = request.fields(API_AUTH)["api_key"]
    try:
        account, grant = await request.exchange.accounts.log_in_with_key(api_key)
    except UnknownError:
        raise RefusedError(error(404, "bad identifier", [api_key])) from None
    return granted(account, grant, 201)


async def user_auth(request: KazooRequest) -> Reply:
    """PUT /v2/user_auth: a token for a user's credentials."""
    accounts = request.exchange.accounts
    given = request.fields(USER_AUTH)
    identity = {"id": ""}
    if name := given.get("account_name"):
        identity = {"name": name}
    elif realm := given.get("account_realm") or given.get("realm"):
        identity = {"realm": realm}
    elif (number := given.get("phone_number")) and (account := accounts.with_number(number)):
        identity = {"id": account.id}
    account, _, grant = accounts.log_in_user(given["credentials"], given["method"], **identity)
    return granted(account, grant, 201)


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
