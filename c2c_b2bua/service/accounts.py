"""Who may do what: accounts and their tree, log-in by API key or user, tokens (RFC 7519)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable
from datetime import datetime, timedelta

import jwt
import msgspec

from c2c_b2bua import config
from c2c_b2bua.numbers import NumberError, dialled, normalized
from c2c_b2bua.service.errors import (
    ConflictingError,
    LockedError,
    OrphanedError,
    UnauthenticatedError,
    UnknownError,
)
from c2c_b2bua.service.phones import Phone, User, phones_of, user_of
from c2c_b2bua.storage.database import ConflictError
from c2c_b2bua.storage.documents import AccountRow, DocumentStore

REFRESH = 1.0
"""Seconds between two looks into the database for accounts that another process may have added."""
ONE_DAY = timedelta(days=1)
REMEMBERED = 10_000
"""Tokens whose signature need not be checked again."""


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A customer."""

    id: str
    name: str
    realm: str
    parent: str = ""
    api_key_hash: str = ""
    users: tuple[User, ...] = ()
    phones: dict[str, Phone] = {}
    """Number → phone; a number may stand there twice, as it is written and as it is dialled."""
    do_not_call: frozenset[str] = frozenset()
    """Numbers as they are dialled."""
    enabled: bool = True
    expires: str = ""
    """Its last day."""
    configured: bool = True

    def each_phone(self) -> list[Phone]:
        """Every phone once, in the order of the file."""
        return [*{phone.id: phone for phone in self.phones.values()}.values()]

    def user(self, name: str) -> User | None:
        """The user with this username or e-mail address."""
        wanted = name.lower()
        for user in self.users:
            if name == user.username or (user.email and wanted == user.email.lower()):
                return user
        return None

    def require_enabled(self, now: float) -> None:
        """LockedError when the account is disabled, or its last day is over."""
        if not self.enabled:
            raise LockedError
        if self.expires:
            expired_at = (datetime.fromisoformat(f"{self.expires}T00:00:00+00:00") + ONE_DAY).timestamp()
            if expired_at <= now:
                raise LockedError(expired_at)


class Grant(msgspec.Struct, frozen=True):
    """What a token is good for."""

    account_id: str
    owner_id: str
    expires_at: float
    token: str


class Accounts:
    """The accounts of the configuration and those in the database; `now` gives seconds since 1970."""

    def __init__(self, settings: config.Config, store: DocumentStore, now: Callable[[], float]) -> None:
        self.settings = settings
        self.store = store
        self.now = now
        self.configured = {account.id: from_config(account, settings.numbers.country) for account in settings.account}
        self.by_id = dict(self.configured)
        self.refreshed_at = 0.0
        self.token_key = b""
        self.grants: dict[str, Grant] = {}
        self.revoked: dict[bytes, float] = {}

    async def start(self) -> None:
        """Read what is stored; make the secret for tokens if there is none."""
        secret = str(self.settings.api.token_secret)
        if not secret:
            secret = await self.store.setting("token_secret", secrets.token_hex(32))
        self.revoked = {bytes.fromhex(digest): at for digest, at in await self.store.load_revoked()}
        self.token_key = hashlib.sha256(b"c2c token " + secret.encode()).digest()
        await self.refresh()

    async def refresh(self) -> None:
        """Take over what other processes have added or changed."""
        rows = await self.store.load_accounts()
        added = {row.id: from_row(row) for row in rows if row.id not in self.configured}
        self.by_id = {**self.configured, **added}
        self.refreshed_at = self.now()

    async def account(self, account_id: str) -> Account:
        """The account, or UnknownError."""
        found = self.by_id.get(account_id)
        if found is None and self.now() - self.refreshed_at > REFRESH:
            await self.refresh()
            found = self.by_id.get(account_id)
        if found is None:
            raise UnknownError(account_id)
        return found

    def with_number(self, number: str) -> Account | None:
        """The one account that has a phone of this number; None also when several have."""
        try:
            wanted = dialled(number, self.settings.numbers.country)
        except NumberError:
            return None
        found = [account for account in self.by_id.values() if wanted in account.phones]
        return found[0] if len(found) == 1 else None

    def descendants(self, account_id: str) -> list[Account]:
        """All that an account may act on beside itself."""
        return [a for a in self.by_id.values() if a.id != account_id and self.may_act_on(account_id, a.id)]

    def may_act_on(self, actor_id: str, account_id: str) -> bool:
        """Whether the one is the other or one of its ancestors."""
        here = self.by_id.get(account_id)
        for _ in range(len(self.by_id)):
            if here is None or here.id == actor_id:
                return here is not None
            here = self.by_id.get(here.parent)
        return False

    def may_act_on_all(self, actor_id: str) -> bool:
        """Whether it is the only account, or an ancestor of every other one."""
        return all(self.may_act_on(actor_id, account_id) for account_id in self.by_id)

    async def log_in_with_key(self, api_key: str, ttl: float | None = None) -> tuple[Account, Grant]:
        """`ttl` as for `issue`; UnknownError when no account has this key, LockedError."""
        await self.refresh()
        account = self.with_key(api_key)
        account.require_enabled(self.now())
        return account, self.issue(account, ttl=ttl)

    async def account_of_key(self, api_key: str) -> Account:
        """Whose key this is, for a request that shows it instead of a token; UnknownError.

        A key that was changed by command is noticed within a second.
        """
        if self.now() - self.refreshed_at > REFRESH:
            await self.refresh()
        return self.with_key(api_key)

    def with_key(self, api_key: str) -> Account:
        """The account with this key, or UnknownError."""
        wanted = hash_of(api_key)
        for account in self.by_id.values():
            if account.api_key_hash and hmac.compare_digest(account.api_key_hash, wanted):
                return account
        raise UnknownError(api_key)

    def log_in_user(self, credentials: str, method: str, **identity: str) -> tuple[Account, User, Grant]:
        """`credentials` is md5 or sha1 of `user:password`, `identity` one of id, name, realm.

        UnauthenticatedError, LockedError.
        """
        ((key, value),) = identity.items()
        account = next((found for found in self.by_id.values() if getattr(found, key).lower() == value.lower()), None)
        given = credentials.lower().encode()
        for user in account.users if account else NOBODY:
            expected = user.sha1 if method == "sha" else user.md5
            if hmac.compare_digest(expected.encode(), given) and account:
                account.require_enabled(self.now())
                return account, user, self.issue(account, user.id)
        raise UnauthenticatedError

    def issue(self, account: Account, owner_id: str = "", ttl: float | None = None) -> Grant:
        """A new token, good for `ttl` seconds, None: for as long as configured."""
        now = self.now()
        expires_at = now + (self.settings.api.token_ttl if ttl is None else ttl)
        claims = {"account_id": account.id, "owner_id": owner_id, "iat": int(now), "exp": expires_at}
        claims["jti"] = secrets.token_hex(16)
        return Grant(account.id, owner_id, expires_at, jwt.encode(claims, self.token_key, algorithm="HS256"))

    def grant(self, token: str) -> Grant:
        """What this token is good for, or UnauthenticatedError."""
        known = self.grants.get(token) or self.verified(token)
        if known.expires_at <= self.now():
            raise UnauthenticatedError(expired=True)
        if known.account_id not in self.by_id:
            raise OrphanedError
        return known

    def verified(self, token: str) -> Grant:
        """Check the signature, and that it was not given back; remember a good one. UnauthenticatedError."""
        try:
            options: jwt.types.Options = {"verify_exp": False, "verify_iat": False}
            claims = jwt.decode(token, self.token_key, algorithms=["HS256"], options=options)
            known = Grant(str(claims["account_id"]), str(claims["owner_id"]), float(claims["exp"]), token)
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            raise UnauthenticatedError from None
        if jwt.encode(claims, self.token_key, algorithm="HS256") != token:
            raise UnauthenticatedError  # The same claims in other letters, to get around `revoked`.
        if hashlib.sha256(token.encode()).digest() in self.revoked:
            raise UnauthenticatedError(expired=True)
        if len(self.grants) >= REMEMBERED:
            self.grants.clear()
        self.grants[token] = known
        return known

    async def revoke(self, grant: Grant) -> None:
        """Make a token worthless for the rest of its life, restarts included; StorageError."""
        now = self.now()
        digest = hashlib.sha256(grant.token.encode()).digest()
        self.revoked = {known: expires_at for known, expires_at in self.revoked.items() if expires_at > now}
        self.revoked[digest] = grant.expires_at
        self.grants.pop(grant.token, None)
        await self.store.revoke(digest.hex(), grant.expires_at, now)

    async def add(self, name: str, realm: str, parent: str = "") -> tuple[Account, str]:
        """A new account and its API key, which is not kept; ConflictingError when the name or realm is taken."""
        await self.refresh()
        for account in self.by_id.values():
            if account.name == name or account.realm == realm.lower():
                raise ConflictingError(
                    f"account {account.id} has the name {account.name} and the realm {account.realm}"
                )
        if parent and parent not in self.by_id:
            raise UnknownError(parent)
        api_key = secrets.token_hex(32)
        row = AccountRow(
            id=secrets.token_hex(16),
            name=name,
            realm=realm.lower(),
            parent=parent,
            api_key_hash=hash_of(api_key),
            created_at=self.now(),
        )
        try:
            await self.store.add_account(row)
        except ConflictError as error:
            raise ConflictingError(str(error)) from error
        await self.refresh()
        return self.by_id[row.id], api_key

    async def list(self) -> list[Account]:
        """All of them, those of the configuration first."""
        await self.refresh()
        return [*self.by_id.values()]

    async def rotate_key(self, account_id: str) -> str:
        """A new API key; the old one is worthless at once, its tokens until they expire are not. UnknownError."""
        if account_id in self.configured:
            raise ConflictingError("the key of this account is in the configuration file; change it there")
        api_key = secrets.token_hex(32)
        if not await self.store.set_api_key(account_id, hash_of(api_key)):
            raise UnknownError(account_id)
        await self.refresh()
        return api_key


def hash_of(api_key: str) -> str:
    """SHA-256 in hex: keys have 256 random bits, so neither salt nor slowness adds anything."""
    return hashlib.sha256(api_key.encode(errors="replace")).hexdigest()


def from_config(account: config.Account, country: str) -> Account:
    """The account of the file, its secrets hashed."""
    users = tuple(user_of(account.id, user) for user in account.user)
    return Account(
        id=account.id,
        name=account.name,
        realm=account.realm.lower(),
        parent=account.parent,
        api_key_hash=hash_of(account.api_key) if account.api_key else "",
        users=users,
        phones=phones_of(account, users, country),
        do_not_call=frozenset(normalized(number, country) for number in account.do_not_call),
        enabled=account.enabled,
        expires=account.expires,
    )


def from_row(row: AccountRow) -> Account:
    """The account of the database."""
    return Account(
        id=row.id, name=row.name, realm=row.realm, parent=row.parent, api_key_hash=row.api_key_hash, configured=False
    )


NOBODY = (User(id="", username="", md5="0" * 32, sha1="0" * 40),)
"""Compared when the account is unknown, so that it takes as long."""
