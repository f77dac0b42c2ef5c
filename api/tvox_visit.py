"""What the methods of TVox's dialect are given: who asks, through which request, and whom they may act for."""

from __future__ import annotations

import msgspec
from aiohttp import web

from api.tvox_rpc import NO_PHONE, RpcError
from api.tvox_session import Session
from c2c_b2bua.numbers import NumberError, SipUri, is_uri
from c2c_b2bua.service.accounts import Account
from c2c_b2bua.service.errors import InvalidError, ServiceError
from c2c_b2bua.service.exchange import Exchange
from c2c_b2bua.service.live_call import LiveCall
from c2c_b2bua.service.phones import Phone

LONGEST_KEY = 255


class Caller(msgspec.Struct, frozen=True):
    """A phone of an account."""

    account: Account
    phone: Phone

    def is_in(self, call: LiveCall) -> bool:
        """Whether this phone is the extension of the call, however the extension is written."""
        if call.account_id != self.account.id:
            return False
        number = call.extension
        if is_uri(number):
            try:
                uri = SipUri.parse(number)
            except NumberError:
                return False
            number = uri.user if uri.host == self.account.realm else ""
        found = self.account.phones.get(number)
        return found is not None and found.id == self.phone.id


class Visit:
    """One HTTP request, with one call in it or several."""

    __slots__ = ("exchange", "http", "new_token", "session")

    def __init__(self, exchange: Exchange, http: web.BaseRequest, session: Session | ServiceError | RpcError) -> None:
        self.exchange = exchange
        self.http = http
        self.session = session
        """Who is logged in, or why nobody is."""
        self.new_token: str | None = None
        """The session that the client shall keep from now on; empty: none."""

    def who(self) -> Session:
        """Who is logged in; else the error that says why nobody is."""
        if isinstance(self.session, Session):
            return self.session
        raise self.session

    def accounts(self) -> list[Account]:
        """The user's own account, then those below it."""
        accounts, own = self.exchange.accounts, self.who().account
        below = [
            account
            for account in accounts.by_id.values()
            if account.id != own.id and accounts.may_act_on(own.id, account.id)
        ]
        return [own, *below]

    def caller(self, name: str) -> Caller:
        """The phone of the user with this username or e-mail address, or the one with this number; RpcError.

        `name@realm` is taken too: the accounts below one's own may have the same names.
        """
        accounts = self.accounts()
        found = [caller for caller in (caller_in(account, name) for account in accounts) if caller]
        if not found:
            raise RpcError(
                NO_PHONE, f"There is no user {name!r:.80} with a phone", cause="UNKNOWN_USER", field="username"
            )
        if len(found) > 1 and found[0].account.id != accounts[0].id:
            text = f"Several accounts have a user {name!r:.80}: say username@realm"
            raise RpcError(NO_PHONE, text, cause="AMBIGUOUS", field="username")
        return found[0]

    def own_caller(self) -> Caller:
        """The phone of the user who is logged in, or RpcError."""
        session = self.who()
        phone = session.account.phones.get(session.user.extension)
        if phone is None:
            text = f"The user {session.user.username!r:.80} has no phone"
            raise RpcError(NO_PHONE, text, cause="NO_PHONE", field="username")
        return Caller(session.account, phone)

    def idempotency_key(self, position: int | None) -> str | None:
        """The key of one call of the request, by its place in the batch if it is one; InvalidError."""
        key = self.http.headers.get("Idempotency-Key")
        if key is None:
            return None
        if not (0 < len(key) <= LONGEST_KEY and key.isprintable()):
            message = f"An idempotency key has 1 to {LONGEST_KEY} printable characters"
            raise InvalidError.of("Idempotency-Key", "pattern", message)
        return f"tvox:{key}" if position is None else f"tvox:{key}:{position}"


def caller_in(account: Account, name: str) -> Caller | None:
    """The phone that this name means in this account."""
    username, _, realm = name.rpartition("@")
    user = account.user(name)
    if user is None and realm.lower() == account.realm:
        user = account.user(username)
    phone = account.phones.get(user.extension if user else name)
    return Caller(account, phone) if phone else None
