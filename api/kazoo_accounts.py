"""Kazoo's Crossbar API: accounts, their users and devices, to be read; they come from the configuration."""

from __future__ import annotations

from typing import Any

from api.envelope import Reply
from api.kazoo import listed, listing_of
from api.kazoo_request import KazooRequest
from c2c_b2bua.service.accounts import Account
from c2c_b2bua.service.errors import UnknownError
from c2c_b2bua.service.listing import page_of
from c2c_b2bua.service.phones import Phone, User

ACCOUNT_COLUMNS = ("id", "name", "realm")
USER_COLUMNS = ("id", "username", "email", "first_name", "last_name", "priv_level", "extension")
DEVICE_COLUMNS = ("id", "name", "username", "device_type", "enabled", "owner_id")


async def read_account(request: KazooRequest) -> Reply:
    """GET /v2/accounts/A"""
    account = request.account
    data = {**shown_account(account), "language": "en-us", "enabled": True, "is_reseller": False}
    return Reply(data={**data, "reseller_id": account.parent or account.id})


async def list_descendants(request: KazooRequest) -> Reply:
    """GET /v2/accounts/A/descendants"""
    found = request.exchange.accounts.descendants(request.account.id)
    return some(request, [shown_account(account) for account in found], ACCOUNT_COLUMNS)


async def list_users(request: KazooRequest) -> Reply:
    """GET …/users"""
    return some(request, [shown_user(user) for user in request.account.users], USER_COLUMNS)


async def read_user(request: KazooRequest) -> Reply:
    """GET …/users/ID"""
    return Reply(data=shown_user(user(request.account, request.names[1])))


async def list_devices(request: KazooRequest) -> Reply:
    """GET …/devices"""
    found = [shown_device(phone) for phone in request.account.each_phone()]
    return some(request, found, DEVICE_COLUMNS)


async def read_device(request: KazooRequest) -> Reply:
    """GET …/devices/ID"""
    phone = device(request.account, request.names[1])
    sip = {"username": phone.number, "realm": request.account.realm, "method": "password"}
    if phone.uri:
        sip |= {"method": "ip", "invite_format": "route", "route": phone.uri}
    return Reply(data={**shown_device(phone), "sip": sip})


def user(account: Account, user_id: str) -> User:
    """The user with this id, or UnknownError."""
    for found in account.users:
        if found.id == user_id:
            return found
    raise UnknownError(user_id)


def device(account: Account, device_id: str) -> Phone:
    """The phone with this id, or UnknownError; that of a user has the user's id."""
    for found in account.phones.values():
        if found.id == device_id:
            return found
    raise UnknownError(device_id)


def some(request: KazooRequest, found: list[dict[str, Any]], columns: tuple[str, ...]) -> Reply:
    """Those that are asked for, ordered by id."""
    listing = listing_of(request)
    start = listing.start_key
    found.sort(key=lambda item: str(item["id"]), reverse=listing.descending)
    pairs = (
        (item["id"], item)
        for item in found
        if (not start or (item["id"] <= start if listing.descending else item["id"] >= start)) and listing.admits(item)
    )
    return listed(request, page_of(pairs, listing), columns)


def shown_account(account: Account) -> dict[str, Any]:
    return {"id": account.id, "name": account.name, "realm": account.realm}


def shown_user(user: User) -> dict[str, Any]:
    """Without anything of the password."""
    first, _, last = user.name.partition(" ")
    return {
        "id": user.id,
        "username": user.username,
        "email": user.email,
        "first_name": first or user.username,
        "last_name": last,
        "priv_level": "admin" if user.supervisor else "user",
        "extension": user.extension,
        "enabled": True,
    }


def shown_device(phone: Phone) -> dict[str, Any]:
    found = {
        "id": phone.id,
        "name": phone.name,
        "username": phone.number,
        "device_type": "sip_device",
        "enabled": True,
    }
    if phone.user:
        found["owner_id"] = phone.user.id
    return found
