"""Who is logged in: TVox's session is a cookie, and the cookie is one of our tokens."""

from __future__ import annotations

import hashlib
import hmac
from typing import Any

import msgspec
from aiohttp import web

from api.tvox_rpc import NOT_LOGGED_IN, RpcError
from c2c_b2bua.service.accounts import NOBODY, Account, Accounts, Grant
from c2c_b2bua.service.errors import UnauthenticatedError
from c2c_b2bua.service.phones import User

COOKIE = "JSESSIONID"
PATH = "/tvox"
NO_CANDIDATES = [(Account(id="", name="", realm=""), NOBODY[0])]
"""Compared when nobody has the name, so that it takes as long."""


class Session(msgspec.Struct, frozen=True):
    """A user who may use this API, and by which token."""

    account: Account
    user: User
    grant: Grant

    def shown(self) -> dict[str, Any]:
        """What a log-in is answered."""
        first, _, last = self.user.name.rpartition(" ")
        return {
            "username": self.user.username,
            "surname": last or self.user.username,
            "name": first,
            "publicUsername": self.user.username,
            "accessToken": self.grant.token,
            "sessionId": self.grant.token,
            "status": "LOGGED",
            "language": None,
            "anonymous": False,
            "pwdChangeable": False,
            "chatUserId": None,
            "chatAuthToken": None,
            "chatUri": None,
            "profileRoles": ["TVOX_SUPERVISOR", "TVOX_USER"],
            "userPermissions": ["SUPERVISOR"],
            "logged": True,
        }


def log_in(accounts: Accounts, username: str, password: str) -> Session:
    """A new session, or RpcError, LockedError.

    Of several users with this name the password decides; `username` may also be the user's e-mail address, or
    `username@realm`.
    """
    found = []
    candidates = [(account, user) for account in accounts.by_id.values() for user in named(account, username)]
    for account, user in candidates or NO_CANDIDATES:
        given = hashlib.md5(f"{user.username}:{password}".encode(), usedforsecurity=False).hexdigest()
        if hmac.compare_digest(user.md5, given) and account.id:
            found.append((account, user))
    if not found:
        raise RpcError(NOT_LOGGED_IN, "Username or password is wrong", cause="BAD_CREDENTIALS")
    if len(found) > 1:
        raise RpcError(NOT_LOGGED_IN, "Several accounts have this user: log in as username@realm", cause="AMBIGUOUS")
    account, user = found[0]
    account.require_enabled(accounts.now())
    require_supervisor(user)
    return Session(account, user, accounts.issue(account, user.id))


def named(account: Account, name: str) -> list[User]:
    """The users of an account that `name` may mean."""
    username, _, realm = name.rpartition("@")
    at_home = username if realm.lower() == account.realm else None
    lower = name.lower()
    return [
        user
        for user in account.users
        if user.username in (name, at_home) or (user.email and user.email.lower() == lower)
    ]


async def session_of(http: web.BaseRequest, accounts: Accounts) -> Session:
    """Whose request this is, or UnauthenticatedError, RpcError, LockedError."""
    refusal = UnauthenticatedError()
    for token in tokens(http):
        try:
            grant = accounts.grant(token)
            account = await accounts.account(grant.account_id)
        except UnauthenticatedError as error:
            refusal = error if error.expired else refusal
            continue
        account.require_enabled(accounts.now())
        for user in account.users:
            if user.id == grant.owner_id:
                require_supervisor(user)
                return Session(account, user, grant)
    raise refusal


def tokens(http: web.BaseRequest) -> list[str]:
    """Every session that the request names. A browser may send several cookies of one name."""
    scheme, _, bearer = http.headers.get("Authorization", "").partition(" ")
    found = [bearer.strip()] if scheme.lower() == "bearer" else []
    for header in http.headers.getall("Cookie", ()):
        for pair in header.split(";"):
            name, _, value = pair.partition("=")
            if name.strip() == COOKIE:
                found.append(value.strip().strip('"'))
    return found


def require_supervisor(user: User) -> None:
    """RpcError when this user may not log in here."""
    if not user.supervisor:
        raise RpcError(NOT_LOGGED_IN, "Only supervisors may log in here", cause="NOT_SUPERVISOR")


def set_cookie(response: web.Response, http: web.BaseRequest, token: str) -> None:
    """Have the client keep the session, or forget it when `token` is empty."""
    is_secure = http.scheme == "https" or http.headers.get("X-Forwarded-Proto", "").lower() == "https"
    lifetime = None if token else 0
    response.set_cookie(
        COOKIE, token, path=PATH, httponly=True, samesite="Lax", secure=is_secure or None, max_age=lifetime
    )
