"""What goes over the wire in OMICall's dialect, beside the shapes that its answers are made of; these structs describe."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.omicall_envelope import Failure, OmicallEnvelope
from api.omicall_lists import LARGEST_PAGE, LAST_PAGE, LATEST, PAGE
from api.omicall_shapes import CallTransaction, InternalPhone, LiveShown, NumberedPage, Placed, Token, WebhookShown
from api.openapi.kazoo_replies import DryRun
from api.openapi.kazoo_requests import API_KEY, Metadata
from api.openapi.operation import any_of

CALL_UUID = "018f33a1-b2c3-71a2-b8c4-d5e6f7a8b9c0"
Milliseconds = Annotated[int, Meta(ge=0, le=LATEST, description="Milliseconds since 1970", examples=[1777636800000])]


class ApiKeyQuery(msgspec.Struct, kw_only=True, rename={"api_key": "apiKey"}):
    """Log-in."""

    api_key: Annotated[str, Meta(description="Of the account", examples=[API_KEY])]


class CallPath(msgspec.Struct, kw_only=True):
    """Which call."""

    call_uuid: Annotated[str, Meta(min_length=1, description="As click2call answered it", examples=[CALL_UUID])]


class HotlineQuery(msgspec.Struct, kw_only=True):
    """Whose hotlines."""

    extension: Annotated[str, Meta(description="Only to check that it is there", examples=["1001"])] | UnsetType = UNSET


class PagingQuery(msgspec.Struct, kw_only=True):
    """Which page."""

    page: Annotated[int, Meta(ge=1, le=LAST_PAGE, description="The first is 1")] = 1
    size: Annotated[int, Meta(ge=1, le=LATEST, description=f"Items on a page, {LARGEST_PAGE} at most")] = PAGE


class PhonesQuery(PagingQuery, kw_only=True):
    """Which extensions."""

    keyword: Annotated[str, Meta(description="Found in number, name or e-mail address")] | UnsetType = UNSET


class TransactionsQuery(PagingQuery, kw_only=True):
    """Which calls. Where several values make sense they stand with commas between them, or as a JSON list."""

    from_date: Milliseconds
    to_date: Annotated[int, Meta(ge=0, le=LATEST, description="At most 30 days later", examples=[1777723200000])]
    disposition: Literal["answered", "cancelled"] | UnsetType = UNSET
    direction: (
        Annotated[str, Meta(description="`outbound`, `inbound`, `local`; there are only outbound ones")] | UnsetType
    ) = UNSET
    sip_user: Annotated[str, Meta(description="Extensions")] | UnsetType = UNSET
    agents: Annotated[str, Meta(description="E-mail addresses or user names")] | UnsetType = UNSET
    sip_numbers: Annotated[str, Meta(description="Hotlines")] | UnsetType = UNSET
    source_number: Annotated[str, Meta(description="Hotlines")] | UnsetType = UNSET
    destination_number: Annotated[str, Meta(description="Who was called")] | UnsetType = UNSET
    keyword: Annotated[str, Meta(description="Found in any of the numbers")] | UnsetType = UNSET


class HookQuery(msgspec.Struct, kw_only=True):
    """Which webhook."""

    hook_type: Annotated[str, Meta(description="`call`", examples=["call"])]


class Click2Call(msgspec.Struct, kw_only=True):
    """Who is rung, and whom they are joined with."""

    extension: Annotated[str | int, Meta(description="Rung first")]
    hotline: Annotated[
        str | int, Meta(description="Shown to who is called; the list of hotlines has what may stand here")
    ]
    phone_number: Annotated[str | int, Meta(description="Whom to call")]
    metadata: Metadata | None = None
    dry_run: Annotated[bool | None, Meta(description="Say what would happen, ring nobody")] = False


class Click2CallForm(msgspec.Struct, kw_only=True):
    """The same as fields of a form."""

    extension: str
    hotline: str
    phone_number: str
    metadata: Annotated[str, Meta(description="A JSON object")] | UnsetType = UNSET
    dry_run: bool = False


class NewWebhook(msgspec.Struct, kw_only=True):
    """Where to, and what of."""

    url: Annotated[
        str, Meta(description="https, or http; a public address", examples=["https://crm.example.com/calls"])
    ]
    type: Annotated[str, Meta(description="`call`")] = "call"
    events: Annotated[
        list[Literal["ringing", "answered", "hangup", "cdr"]] | None,
        Meta(description="Null: all; `cdr` always comes"),
    ] = None


class WebhookRequest(msgspec.Struct, kw_only=True):
    """POST webhooks/register."""

    webhook: NewWebhook


class OmicallSuccess(OmicallEnvelope, kw_only=True):
    """Around every answer that says yes."""

    status_code: Literal[9999]


class OmicallRefusal(OmicallEnvelope, kw_only=True):
    """Around every answer that says no: `message` says why, for a click-to-call the payload."""

    status_code: Literal[-9999]
    payload: Failure | None


class TokenSuccess(OmicallSuccess, kw_only=True):
    """A token."""

    payload: Token


class PlacedSuccess(OmicallSuccess, kw_only=True):
    """The call that was made; of a dry run what it would do."""

    payload: Annotated[dict[str, Any], any_of(Placed, DryRun)]


class LiveSuccess(OmicallSuccess, kw_only=True):
    """A call that goes on."""

    payload: LiveShown


class CallsSuccess(OmicallSuccess, kw_only=True):
    """The calls that go on."""

    payload: list[LiveShown]


class CallSuccess(OmicallSuccess, kw_only=True):
    """A call that goes on, or is over."""

    payload: Annotated[dict[str, Any], any_of(LiveShown, CallTransaction)]


class TransactionSuccess(OmicallSuccess, kw_only=True):
    """A call."""

    payload: CallTransaction


class TransactionPage(NumberedPage, kw_only=True):
    """Some calls."""

    items: list[CallTransaction]


class TransactionsSuccess(OmicallSuccess, kw_only=True):
    """Some calls."""

    payload: TransactionPage


class PhonePage(NumberedPage, kw_only=True):
    """Some extensions."""

    items: list[InternalPhone]


class PhonesSuccess(OmicallSuccess, kw_only=True):
    """Some extensions."""

    payload: PhonePage


class HotlinesSuccess(OmicallSuccess, kw_only=True):
    """Numbers."""

    payload: list[str]


class WebhooksSuccess(OmicallSuccess, kw_only=True):
    """Registrations."""

    payload: list[WebhookShown]
