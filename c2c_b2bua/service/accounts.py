"""Who may do what: accounts and their tree, log-in by API key or user, tokens (RFC 7519)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable

import jwt
import msgspec

from c2c_b2bua import config
from c2c_b2bua.service.errors import ConflictingError, UnauthenticatedError, UnknownError
from c2c_b2bua.storage.database import ConflictError
from c2c_b2bua.storage.documents import AccountRow, DocumentStore

REFRESH = 1.0
"""Seconds between two looks into the database for accounts that another process may have added."""
REMEMBERED = 10_000
"""Tokens whose signature need not be checked again."""


class User(msgspec.Struct, frozen=True):
    """Someone who logs in; the two hashes are of `username:password`, in hex."""

    id: str
    username: str
    md5: str
    sha1: str
    extension: str


class Account(msgspec.Struct, frozen=True, kw_only=True):
    """A customer."""

    id: str
    name: str
    realm: str
    parent: str = ""
    api_key_hash: str = ""
    users: tuple[User, ...] = ()
    configured: bool = True


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
        self.configured = {account.id: from_config(account) for account in settings.account}
        self.by_id = dict(self.configured)
        self.refreshed_at = 0.0
        self.token_key = b""
        self.grants: dict[bytes, Grant] = {}
        self.revoked: dict[bytes, float] = {}

    async def start(self) -> None:
        """Read what is stored; make the secret for tokens if there is none."""
        secret = str(self.settings.api.token_secret)
        if not secret:
            secret = await self.store.setting("token_secret", secrets.token_hex(32))
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

    def may_act_on(self, actor_id: str, account_id: str) -> bool:
        """Whether the one is the other or one of its ancestors."""
        here = self.by_id.get(account_id)
        for _ in range(len(self.by_id)):
            if here is None or here.id == actor_id:
                return here is not None
            here = self.by_id.get(here.parent)
        return False

    async def log_in_with_key(self, api_key: str) -> tuple[Account, Grant]:
        """UnknownError when no account has this key."""
        await self.refresh()
        wanted = hash_of(api_key)
        for account in self.by_id.values():
            if account.api_key_hash and hmac.compare_digest(account.api_key_hash, wanted):
                return account, self.issue(account)
        raise UnknownError(api_key)

    def log_in_user(self, credentials: str, method: str, **identity: str) -> tuple[Account, User, Grant]:
        """`credentials` is md5 or sha1 of `user:password`, `identity` one of id, name, realm. UnauthenticatedError."""
        ((key, value),) = identity.items()
        account = next((found for found in self.by_id.values() if getattr(found, key).lower() == value.lower()), None)
        given = credentials.lower().encode()
        for user in account.users if account else NOBODY:
            expected = user.sha1 if method == "sha" else user.md5
            if hmac.compare_digest(expected.encode(), given) and account:
                return account, user, self.issue(account, user.id)
        raise UnauthenticatedError

    def issue(self, account: Account, owner_id: str = "") -> Grant:
        """A new token."""
        now = self.now()
        expires_at = now + self.settings.api.token_ttl
        claims = {"account_id": account.id, "owner_id": owner_id, "iat": int(now), "exp": expires_at}
        claims["jti"] = secrets.token_hex(16)
        return Grant(account.id, owner_id, expires_at, jwt.encode(claims, self.token_key, algorithm="HS256"))

    def grant(self, token: str) -> Grant:
        """What this token is good for, or UnauthenticatedError."""
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        known = self.grants.get(digest) or self.verified(token, digest)
        if known.expires_at <= self.now() or digest in self.revoked or known.account_id not in self.by_id:
            raise UnauthenticatedError(expired=True)
        return known

    def verified(self, token: str, digest: bytes) -> Grant:
        """Check the signature, and remember the outcome."""
        try:
            options: jwt.types.Options = {"verify_exp": False, "verify_iat": False}
            claims = jwt.decode(token, self.token_key, algorithms=["HS256"], options=options)
            known = Grant(str(claims["account_id"]), str(claims["owner_id"]), float(claims["exp"]), token)
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            raise UnauthenticatedError from None
        if len(self.grants) >= REMEMBERED:
            self.grants.clear()
        self.grants[digest] = known
        return known

    def revoke(self, grant: Grant) -> None:
        """Make a token worthless for the rest of its life."""
        now = self.now()
        self.revoked = {digest: expires_at for digest, expires_at in self.revoked.items() if expires_at > now}
        self.revoked[hashlib.sha256(grant.token.encode()).digest()] = grant.expires_at

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


def from_config(account: config.Account) -> Account:
    """The account of the file, its secrets hashed."""
    return Account(
        id=account.id,
        name=account.name,
        realm=account.realm.lower(),
        parent=account.parent,
        api_key_hash=hash_of(account.api_key) if account.api_key else "",
        users=tuple(user_from_config(account.id, user) for user in account.user),
    )


def user_from_config(account_id: str, user: config.User) -> User:
    """The user of the file; the id follows from account and name, so it is the same after every start."""
    pair = f"{user.username}:{user.password}".encode()
    return User(
        id=hashlib.md5(f"{account_id}:{user.username}".encode(), usedforsecurity=False).hexdigest(),
        username=user.username,
        md5=hashlib.md5(pair, usedforsecurity=False).hexdigest(),
        sha1=hashlib.sha1(pair, usedforsecurity=False).hexdigest(),
        extension=user.extension,
    )


def from_row(row: AccountRow) -> Account:
    """The account of the database."""
    return Account(
        id=row.id, name=row.name, realm=row.realm, parent=row.parent, api_key_hash=row.api_key_hash, configured=False
    )


NOBODY = (User("", "", "0" * 32, "0" * 40, ""),)
"""Compared when the account is unknown, so that it takes as long."""
