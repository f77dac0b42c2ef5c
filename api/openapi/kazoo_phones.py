"""Kazoo's accounts, users, devices, and quickcalls to them, as they are described."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.kazoo_shapes import Endpoint, Id, Originate
from api.openapi import kazoo_requests as requests
from api.openapi.kazoo_answers import BODY_TAKEN, TOKEN_NEEDED, answers, listed, refused, resource
from api.openapi.kazoo_examples import ENDPOINT, ORIGINATE
from api.openapi.kazoo_replies import DryRun, Success
from api.openapi.kazoo_requests import ACCOUNT_ID, DEVICE_ID, USER_ID
from api.openapi.operation import Body, Encoded, Operation, any_of

HERE = "/v2/accounts/{account_id}"


class AccountSummary(msgspec.Struct, kw_only=True):
    """An account in a list."""

    id: Id
    name: str
    realm: str


class KazooAccount(AccountSummary, kw_only=True):
    """An account."""

    language: str
    enabled: bool
    is_reseller: bool
    reseller_id: Id


class KazooUser(msgspec.Struct, kw_only=True):
    """Someone who logs in."""

    id: Id
    username: str
    email: str
    first_name: str
    last_name: str
    priv_level: Literal["admin", "user"]
    extension: Annotated[str, Meta(description="Empty: no phone")]
    enabled: bool


class DeviceSummary(msgspec.Struct, kw_only=True):
    """A phone in a list."""

    id: Id
    name: str
    username: Annotated[str, Meta(description="Its number")]
    device_type: str
    enabled: bool
    owner_id: Annotated[str, Meta(description="Whose it is, if it is a user's")] | UnsetType = UNSET


class Sip(msgspec.Struct, kw_only=True):
    """How a phone is reached."""

    username: str
    realm: str
    method: Annotated[Literal["password", "ip"], Meta(description="`password`: it registers; `ip`: always at `route`")]
    invite_format: str | UnsetType = UNSET
    route: str | UnsetType = UNSET


class KazooDevice(DeviceSummary, kw_only=True):
    """A phone."""

    sip: Sip


class AccountReply(Success, kw_only=True):
    """One account."""

    data: KazooAccount


class AccountsReply(Success, kw_only=True):
    """Some accounts."""

    data: list[AccountSummary]


class UserReply(Success, kw_only=True):
    """One user."""

    data: KazooUser


class UsersReply(Success, kw_only=True):
    """Some users."""

    data: list[KazooUser]


class DeviceReply(Success, kw_only=True):
    """One phone."""

    data: KazooDevice


class DevicesReply(Success, kw_only=True):
    """Some phones."""

    data: list[DeviceSummary]


class RungEndpoint(Endpoint, kw_only=True):
    """The device that is rung."""

    endpoint_id: Id


class QuickcallOriginate(Originate, kw_only=True):
    """A quickcall that was accepted; after a POST, with what came of it."""

    endpoints: list[RungEndpoint]  # type: ignore[assignment]
    media: Literal["bypass", "process"]
    result: Literal["success"] | UnsetType = UNSET
    application_response: str | UnsetType = UNSET


class QuickcallReply(Success, kw_only=True):
    """The call, or of a dry run what it would do."""

    data: Annotated[dict[str, Any], any_of(QuickcallOriginate, DryRun)]


NAMES = {"cid_name": "cid-name", "cid_number": "cid-number", "ignore_early_media": "ignore-early-media"}


class Quickcall(msgspec.Struct, kw_only=True, rename=NAMES):
    """How to make a quickcall."""

    auto_answer: Annotated[bool, Meta(description="Whether the device picks up by itself")] = True
    cid_name: Annotated[str, Meta(max_length=512, description="Shown to whom is called")] | UnsetType = UNSET
    cid_number: Annotated[str, Meta(max_length=512, description="Shown to whom is called")] | UnsetType = UNSET
    timeout: Annotated[int, Meta(ge=3, description="Seconds the device may ring")] | UnsetType = UNSET
    ignore_early_media: bool = True
    media: Literal["bypass", "process"] = "process"
    number_filter: Annotated[
        str,
        Meta(description="`true`: no separators; `false`: as it is; else a pattern (RE2), whose first group is called"),
    ] = "true"
    dry_run: Annotated[bool, Meta(description="Say what would happen, ring nobody")] = False


class QuickcallBody(Quickcall, kw_only=True, rename=NAMES):
    """The same, and what comes back."""

    metadata: requests.Metadata | None = None
    custom_application_vars: dict[str, Any] = {}


class QuickcallRequest(requests.Sent, kw_only=True):
    """POST quickcall."""

    data: QuickcallBody


def quickcall(verb: str, whose: str) -> Operation:
    """From a device, or from the device of a user. A POST waits."""
    text = (
        "Answers when the device has answered; 500 when it has not."
        if verb == "POST"
        else "Answers at once; the call's fate is among its live calls."
    )
    call = {**ORIGINATE, "dial_endpoint_method": "simultaneous", "continue_on_fail": False, "media": "process"}
    call["endpoints"] = [{**ENDPOINT, "endpoint_id": DEVICE_ID}]
    answered = answers(200, "The call is on its way", QuickcallReply, call, 409, *BODY_TAKEN)
    if verb == "POST":
        answered[500] = refused(
            500,
            "KazooQuickcallFailed",
            "The device did not answer",
            "quickcall initiation failed",
            {"error_message": "NO_ANSWER"},
        )
    else:
        answered[202] = answers(202, "The same, where `connect_status` is 202", QuickcallReply, call)[202]
    body = Body(form=QuickcallRequest, example={"data": {"metadata": {"order": 4711}}}, is_required=False)
    return resource(
        f"{'wait' if verb == 'POST' else 'quickcall'}From{whose}",
        f"Ring {'the device' if whose == 'Device' else 'the device of a user'}, then a number"
        + (", and wait" if verb == "POST" else ""),
        "11",
        answered,
        text=f"Rings the device, then the number, without a click-to-call. {text}",
        query=Quickcall,
        headers=requests.Idempotent,
        body=body if verb == "POST" else None,
    )


ACCOUNT = {"id": ACCOUNT_ID, "name": "acme", "realm": "acme.example.com"}
USER = {
    "id": USER_ID,
    "username": "mrossi",
    "email": "mrossi@acme.example.com",
    "first_name": "Mario",
    "last_name": "Rossi",
    "priv_level": "admin",
    "extension": "1001",
    "enabled": True,
}
DEVICE = {"id": DEVICE_ID, "name": "2001", "username": "2001", "device_type": "sip_device", "enabled": True}
SIP = {
    "username": "2001",
    "realm": "acme.example.com",
    "method": "ip",
    "invite_format": "route",
    "route": "sip:2001@192.0.2.10:5060",
}
WHOLE_ACCOUNT = {**ACCOUNT, "language": "en-us", "enabled": True, "is_reseller": False, "reseller_id": ACCOUNT_ID}
LISTING: dict[str, Any] = {"query": requests.PageQuery, "headers": requests.IfNoneMatch}

PHONES: dict[str, Operation] = {
    f"GET {HERE}": resource(
        "readAccount",
        "Read the account",
        "3.1",
        answers(200, "The account", AccountReply, WHOLE_ACCOUNT, *TOKEN_NEEDED),
    ),
    f"GET {HERE}/descendants": resource(
        "listDescendants",
        "List the accounts below",
        "3.1",
        listed("A page of them", AccountsReply, [ACCOUNT]),
        **LISTING,
    ),
    f"GET {HERE}/users": resource(
        "listUsers", "List the users", "11", listed("A page of them", UsersReply, [USER]), **LISTING
    ),
    f"GET {HERE}/users/{{user_id}}": resource(
        "readUser", "Read a user", "11", answers(200, "The user", UserReply, USER, *TOKEN_NEEDED)
    ),
    f"GET {HERE}/devices": resource(
        "listDevices", "List the phones", "11", listed("A page of them", DevicesReply, [DEVICE]), **LISTING
    ),
    f"GET {HERE}/devices/{{device_id}}": resource(
        "readDevice",
        "Read a phone",
        "11",
        answers(200, "The phone", DeviceReply, {**DEVICE, "sip": SIP}, *TOKEN_NEEDED),
    ),
    **{
        f"{verb} {HERE}/{whose.lower()}s/{{{whose.lower()}_id}}/quickcall/{{number}}": quickcall(verb, whose)
        for whose in ("User", "Device")
        for verb in ("GET", "POST")
    },
}
FORMS = {"QuickcallOriginate": Encoded(QuickcallOriginate), "DryRun": DryRun}
