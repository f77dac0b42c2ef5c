"""What is sent in Kazoo's dialect, as structs; they describe, nothing is decoded by them."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.openapi.operation import any_of
from c2c_b2bua.service.schema import CLICK_TO_CALL

ACCOUNT_ID = "4ea1b2c3d4e5f60718293a4b5c6d7e8f"
CLICK_ID = "0c96e64a5cbf5a9b4d6ba2ae6b4ec5ad"
USER_ID = "5b0a53f2f5bd3ab7a3a1d8d4a3d4b1c0"
DEVICE_ID = "d9b6c1f08e4a4c52a6f7b8c9d0e1f2a3"
API_KEY = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
CALL_ID = f"c2c-{CLICK_ID}-1a2b3c4d5e"
HISTORY_ID = "018f33a1b2c371a2b8c4d5e6f7a8b9c0"
MD5 = "993f94f789bd91d17b7a77a9471bfb4b"
"""Of `mrossi:change me`."""

Metadata = Annotated[
    dict[str, Any],
    Meta(description="Anything of the caller's own, at most 8192 bytes of JSON; comes back in history and events"),
]
SENT = {name: value for name, value in CLICK_TO_CALL.items() if name not in ("$schema", "id")}
"""The schema of a document as it is sent."""


class Path(msgspec.Struct, kw_only=True):
    """What stands in the addresses."""

    account_id: Annotated[
        str, Meta(pattern="^[0-9a-zA-Z]{32}$", description="The account, as log-in answered it", examples=[ACCOUNT_ID])
    ]
    click_id: Annotated[
        str, Meta(min_length=1, description="The click-to-call, as create answered it", examples=[CLICK_ID])
    ]
    call_id: Annotated[str, Meta(min_length=1, description="The call, as connect answered it", examples=[CALL_ID])]
    user_id: Annotated[str, Meta(min_length=1, description="The user, as the list has it", examples=[USER_ID])]
    device_id: Annotated[str, Meta(min_length=1, description="The phone, as the list has it", examples=[DEVICE_ID])]
    number: Annotated[str, Meta(min_length=1, description="Whom to call", examples=["2001"])]
    token: Annotated[str, Meta(min_length=1, description="A token", examples=["TOKEN"])]
    schema_id: Annotated[str, Meta(min_length=1, description="Its name", examples=["clicktocall"])]


class ItemsQuery(msgspec.Struct, kw_only=True):
    """Which of many, in which order and format."""

    descending: Annotated[str, Meta(description="`false`: the other way round")] = "true"
    has_key: Annotated[str, Meta(description="Only those with this field; may be dotted")] | UnsetType = UNSET
    key_missing: Annotated[str, Meta(description="Only those without it")] | UnsetType = UNSET
    has_value: Annotated[str, Meta(description="Only those where it is not empty")] | UnsetType = UNSET
    value_missing: Annotated[str, Meta(description="Only those where it is empty")] | UnsetType = UNSET
    filters: Annotated[
        dict[str, str],
        Meta(
            description="`filter_FIELD=VALUE` and `filter_not_FIELD=VALUE`, as many as wanted; FIELD may be dotted, "
            "VALUE may be a JSON list of alternatives. Unknown parameters are ignored",
            examples=[{"filter_name": "Sales"}],
        ),
    ] = {}
    accept: Annotated[Literal["json", "csv"], Meta(description="Instead of the header `Accept`")] = "json"


class PageQuery(ItemsQuery, kw_only=True):
    """And how many at a time."""

    page_size: Annotated[int, Meta(ge=1, description="Items on a page; above 1000 is 1000", examples=[50])] = 50
    paginate: Annotated[str, Meta(description="`false`: everything at once, and no page fields in the answer")] = "true"
    start_key: Annotated[str, Meta(description="`next_start_key` of the page before")] | UnsetType = UNSET


Time = Annotated[int, Meta(ge=0, le=10**15 - 1, description="Seconds since the year 0")]


class ListQuery(PageQuery, kw_only=True):
    """And from when to when."""

    created_from: Time | UnsetType = UNSET
    created_to: Time | UnsetType = UNSET


class ListQueryV1(ItemsQuery, kw_only=True):
    """Version 1 has no pages."""

    created_from: Time | UnsetType = UNSET
    created_to: Time | UnsetType = UNSET


Flag = Literal["true", "false", ""]


class ConnectOptions(msgspec.Struct, kw_only=True):
    """How to connect; what is in the body goes first. A bare `?blocking` is true."""

    blocking: Annotated[
        Flag,
        Meta(description="Answer when the first leg has answered or failed, 20 s at most; a bare `?blocking` will do"),
    ] = "false"
    auto_answer: Annotated[
        str, Meta(description="`true` or empty: the first leg picks up by itself; anything else: it rings")
    ] = "true"
    dry_run: Annotated[Flag, Meta(description="Say what would happen, ring nobody; a bare `?dry_run` will do")] = (
        "false"
    )


class ConnectQuery(ConnectOptions, kw_only=True):
    """A connect by an address alone."""

    contact: Annotated[str, Meta(description="Whom to call: a number, or a SIP URI", examples=["2001"])]


class IfMatch(msgspec.Struct, kw_only=True, rename={"if_match": "If-Match"}):
    """A change meant for one revision."""

    if_match: Annotated[str, Meta(description="Only if this is still the revision; else 412")] | UnsetType = UNSET


class IfNoneMatch(msgspec.Struct, kw_only=True, rename={"if_none_match": "If-None-Match"}):
    """A question about news."""

    if_none_match: Annotated[str, Meta(description="Only if the revision is another; else 304")] | UnsetType = UNSET


class Idempotent(msgspec.Struct, kw_only=True, rename={"key": "Idempotency-Key"}):
    """A request that may be repeated."""

    key: (
        Annotated[
            str,
            Meta(
                min_length=1,
                max_length=255,
                description="For a day, the same key and request are answered as the first time and ring nobody; "
                "the same key with another request is refused",
                examples=["order-4711"],
            ),
        ]
        | UnsetType
    ) = UNSET


class ApiKey(msgspec.Struct, kw_only=True):
    """Log-in of an account."""

    api_key: Annotated[str, Meta(pattern="^[0-9a-f]{64}$", description="Of the account", examples=[API_KEY])]


class Credentials(msgspec.Struct, kw_only=True):
    """Log-in of a user; one of the four names says of which account."""

    credentials: Annotated[str, Meta(description="md5 or sha1 of `user:password`, in hex", examples=[MD5])]
    method: Annotated[Literal["md5", "sha"], Meta(description="Which of the two hashes it is")] = "md5"
    account_name: Annotated[str, Meta(examples=["acme"])] | UnsetType = UNSET
    account_realm: Annotated[str, Meta(examples=["acme.example.com"])] | UnsetType = UNSET
    realm: Annotated[str, Meta(description="Same as `account_realm`")] | UnsetType = UNSET
    phone_number: Annotated[str, Meta(description="A number of the account")] | UnsetType = UNSET


class Connect(msgspec.Struct, kw_only=True):
    """Whom to call, and how to answer."""

    contact: (
        Annotated[str, Meta(min_length=1)] | Annotated[int, Meta(description="A number, or a SIP URI")] | UnsetType
    ) = UNSET
    blocking: Annotated[bool, Meta(description="Answer when the first leg has answered or failed, 20 s at most")] = (
        False
    )
    dry_run: Annotated[bool, Meta(description="Say what would happen, ring nobody")] = False
    metadata: Metadata | None = None
    custom_application_vars: Annotated[dict[str, Any], Meta(description="Come back in the answer")] = {}


class ConnectForm(msgspec.Struct, kw_only=True):
    """The same as fields of a form."""

    contact: Annotated[str, Meta(min_length=1, description="A number, or a SIP URI")]
    blocking: Annotated[bool, Meta(description="Answer when the first leg has answered or failed, 20 s at most")] = (
        False
    )
    dry_run: Annotated[bool, Meta(description="Say what would happen, ring nobody")] = False
    metadata: Annotated[str, Meta(description="A JSON object", examples=['{"order": 4711}'])] | UnsetType = UNSET


class Sent(msgspec.Struct, kw_only=True):
    """Around every body; `auth_token` and `verb` may stand here when a client cannot set headers or verbs."""

    data: Any
    auth_token: Annotated[Any, Meta(description="A token")] = UNSET
    verb: Annotated[Any, Meta(description="In a POST, as text: what is meant instead")] = UNSET


class ApiKeyRequest(Sent, kw_only=True):
    """PUT api_auth."""

    data: ApiKey


class CredentialsRequest(Sent, kw_only=True):
    """PUT user_auth."""

    data: Credentials


class ClickToCallRequest(Sent, kw_only=True):
    """A whole click-to-call."""

    data: Annotated[dict[str, Any], any_of("ClickToCall")]


class ChangeRequest(Sent, kw_only=True):
    """Some fields of a click-to-call."""

    data: Annotated[dict[str, Any], Meta(description="Merged into what is there, member by member; null removes")]


class ClickToCallRequestV1(Sent, kw_only=True):
    """A whole click-to-call, on version 1."""

    data: Annotated[dict[str, Any], any_of("ClickToCallV1")]


class ConnectRequest(Sent, kw_only=True):
    """POST connect."""

    data: Connect
