"""What the answer to a connect holds in Kazoo's dialect; encoded as it stands, and described from it."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.openapi.kazoo_requests import CALL_ID

Id = Annotated[str, Meta(pattern="^[0-9a-f]{32}$")]
ExpectedStart = Annotated[
    str, Meta(description="When a call that waits for a trunk is probably made; null: when another one ends")
]
EXPORTED = ("Account-ID", "Authorizing-ID", "Authorizing-Type", "Loopback-Request-URI", "From-URI", "Request-URI")


class Endpoint(msgspec.Struct, kw_only=True):
    """Who is rung first."""

    invite_format: str = "loopback"
    route: str
    to_did: str
    to_realm: str


class ApplicationData(msgspec.Struct):
    """What is done with them."""

    route: Annotated[str, Meta(description="Who is rung second")]


class ChannelVars(msgspec.Struct, kw_only=True):
    """Kazoo's words for whose call it is and between whom."""

    account_id: Id
    authorizing_id: Id
    authorizing_type: str = "clicktocall"
    auto_answer_loopback: bool
    from_uri: str
    request_uri: str
    loopback_request_uri: str
    inherit_codec: bool = False
    retain_cid: bool = True


class Originate(msgspec.Struct, kw_only=True):
    """A connect that was accepted, in the words of Kazoo's request to its switch."""

    application_name: str = "transfer"
    application_data: ApplicationData
    call_id: Annotated[str, Meta(description="Of the whole call: in history, and to hang it up", examples=[CALL_ID])]
    outbound_call_id: str
    origination_call_id: str
    endpoints: list[Endpoint]
    timeout: Annotated[float, Meta(description="Seconds the first leg may ring")]
    ignore_early_media: bool
    outbound_callee_id_name: str
    outbound_callee_id_number: str
    outbound_caller_id_name: str
    outbound_caller_id_number: str
    dial_endpoint_method: str = "single"
    continue_on_fail: bool = True
    custom_channel_vars: ChannelVars
    custom_application_vars: dict[str, Any]
    export_custom_channel_vars: tuple[str, ...] = EXPORTED
    simplify_loopback: bool = False
    loopback_bowout: bool = False
    start_control_process: bool = False
    bypass_media: bool | str | UnsetType = UNSET
    presence_id: str | UnsetType = UNSET
    ringback: str | UnsetType = UNSET
    custom_sip_headers: dict[str, Any] | UnsetType = UNSET
    queued: Annotated[bool, Meta(description="It waits for a place on a trunk")] | UnsetType = UNSET
    expected_start: ExpectedStart | UnsetType | None = UNSET
    hold_media: str | UnsetType = UNSET
