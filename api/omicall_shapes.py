"""What OMICall's answers and webhooks hold. Times whose names end in `date` or are `date_time` are in milliseconds."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType


class Token(msgspec.Struct, kw_only=True):
    """Of `/api/auth`."""

    access_token: str
    access_type: str
    """`normal`, or `bussiness` (their spelling) for an account that has others below it."""
    token_type: str = "Bearer"


class Placed(msgspec.Struct):
    """Of `/api/click2call`."""

    call_uuid: str


class Labelled(msgspec.Struct, kw_only=True):
    """What whoever asked for a call wanted to see again, in any dialect."""

    metadata: dict[str, Any] | UnsetType = UNSET
    job_label: str | UnsetType = UNSET
    service_code: str | UnsetType = UNSET


class LiveEvent(Labelled, kw_only=True):
    """What a webhook gets while the call goes on."""

    to_number: str
    created_time: int
    date_time: int
    from_number: str
    """The extension."""
    hotline: str
    call_uuid: str
    state: str
    """`ringing`, `answered`, `hangup`."""
    direction: str = "outbound"


class Cdr(Labelled, kw_only=True):
    """What a webhook gets when it is over; times in seconds."""

    state: str = "cdr"
    tenant_id: str
    transaction_id: str
    call_uuid: str
    direction: str = "outbound"
    from_number: str
    to_number: str
    phone_number: str
    hotline: str
    sip_user: str
    sip_number: str
    disposition: str
    """`answered`: both talked; `cancelled`: they did not."""
    answer_sec: int
    """From the request until both talked."""
    bill_sec: int
    duration: int
    time_start_call: int
    time_start_to_answer: int
    """When both talked; 0: they did not."""
    time_end_call: int
    record_seconds: int = 0
    recording_file_url: str = ""
    cause: str | None
    """Why it ended (Q.850)."""
    sip_code: int | None
    ended_by: str | None


class Person(msgspec.Struct, kw_only=True):
    """Whoever has the extension."""

    full_name: str
    full_name_unsigned: str
    """Without accents."""
    note: str | None = None
    tag: list[dict[str, str]] = []


class Customer(msgspec.Struct, kw_only=True):
    """We know none by name."""

    full_name: str = ""
    full_name_unsigned: str = ""


class CallTransaction(Labelled, kw_only=True):
    """A call of the past, or one that goes on: then `disposition` is empty and `state` says how far it is."""

    transaction_id: str
    direction: str = "outbound"
    source_number: str
    """The hotline."""
    destination_number: str
    disposition: str
    bill_sec: int = 0
    answer_sec: int = 0
    record_seconds: int = 0
    time_start_to_answer: int = 0
    recording_file: str = ""
    sip_user: str
    sip_number: str
    phone_number: str
    created_date: int
    last_updated_date: int
    ivr: str = "none"
    note: str = ""
    tag: list[str] = []
    provider: str = ""
    duration: int = 0
    is_auto_call: bool = False
    user: list[Person] = []
    customer: Customer = msgspec.field(default_factory=Customer)
    state: str = "cdr"
    cause: str | None = None
    sip_code: int | None = None
    ended_by: str | None = None


class LiveShown(Labelled, kw_only=True):
    """A call that goes on."""

    call_uuid: str
    state: str
    """`ringing` until both talk, then `answered`."""
    progress: str
    """Exactly: `dialling`, `ringing_a`, `answered_a`, `ringing_b`, `bridged`."""
    from_number: str
    to_number: str
    hotline: str
    created_time: int
    direction: str = "outbound"


class InternalPhone(msgspec.Struct, kw_only=True):
    """An extension; its password is not shown to anybody."""

    domain: str
    outbound_proxy: str
    sip_user: str
    password: str = ""
    full_name: str
    agent_id: str
    email: str
    public_number: str
    last_updated_date: int = 0
    created_date: int = 0


class WebhookShown(msgspec.Struct, kw_only=True):
    """A registered webhook; `secret` signs what is sent to it and is shown to whoever registers it."""

    url: str
    type: str
    status: str = "actived"
    events: list[str] | None = None
    secret: str | UnsetType = UNSET


class NumberedPage(msgspec.Struct, kw_only=True):
    """A page of a list, the first being 1."""

    items: list[Any]
    page_number: int
    page_size: int
    total_items: int
    total_pages: int
    has_next: bool
    next_page: int
    has_previous: bool
    previous_page: int

    @classmethod
    def of(cls, items: list[Any], page: int, size: int, total: int) -> NumberedPage:
        """`items` are those of the page; a page that does not exist is named by no neighbour."""
        pages = -(-total // size)
        return cls(
            items=items,
            page_number=page,
            page_size=size,
            total_items=total,
            total_pages=pages,
            has_next=page < pages,
            next_page=page + 1 if page < pages else page,
            has_previous=page > 1,
            previous_page=max(1, page - 1),
        )
