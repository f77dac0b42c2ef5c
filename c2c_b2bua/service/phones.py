"""Phones of an account, those that register and those that are always at the same address; and who uses them."""

from __future__ import annotations

import hashlib

import msgspec

from c2c_b2bua import config
from c2c_b2bua.numbers import normalized


class Manner(msgspec.Struct, frozen=True):
    """How a phone wants to be called."""

    auto_answer: str = ""
    """How it is asked to answer by itself; empty: by what it says it is."""
    offer: str = ""
    """`held`, `none`; empty: as any phone."""
    early_media: bool = False
    """What it plays before it answers is for the other side to hear."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """Someone who logs in; the two hashes are of `username:password`, in hex."""

    id: str
    username: str
    md5: str
    sha1: str
    extension: str = ""
    name: str = ""
    email: str = ""
    supervisor: bool = True
    manner: Manner = Manner()


class Phone(msgspec.Struct, frozen=True):
    """An extension; `uri` is empty when the phone has to register."""

    id: str
    """32 lower-case hex, the same after every start."""
    number: str
    uri: str = ""
    user: User | None = None
    manner: Manner = Manner()

    @property
    def name(self) -> str:
        """Whose it is, or its number."""
        return (self.user.name or self.user.username) if self.user else self.number


def phones_of(account: config.Account, users: tuple[User, ...], country: str) -> dict[str, Phone]:
    """Number, as it stands and as it is dialled, → phone."""
    found = {user.extension: Phone(user.id, user.extension, "", user, user.manner) for user in users if user.extension}
    for extension in account.extension:
        number = extension.number
        of_user = found.get(number)
        user = of_user.user if of_user else None
        phone_id = of_user.id if of_user else identifier(account.id, f"extension {number}")
        found[number] = Phone(phone_id, number, extension.uri, user, manner_of(extension))
    return {normalized(number, country): phone for number, phone in found.items()} | found


def user_of(account_id: str, user: config.User) -> User:
    """The user of the file."""
    pair = f"{user.username}:{user.password}".encode()
    return User(
        id=identifier(account_id, user.username),
        username=user.username,
        md5=hashlib.md5(pair, usedforsecurity=False).hexdigest(),
        sha1=hashlib.sha1(pair, usedforsecurity=False).hexdigest(),
        extension=user.extension,
        name=user.name,
        email=user.email,
        supervisor=user.supervisor,
        manner=manner_of(user),
    )


def manner_of(phone: config.User | config.Extension) -> Manner:
    return Manner(phone.auto_answer, phone.offer, phone.early_media)


def identifier(account_id: str, name: str) -> str:
    """An id that follows from account and name."""
    return hashlib.md5(f"{account_id}:{name}".encode(), usedforsecurity=False).hexdigest()
