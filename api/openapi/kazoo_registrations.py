"""Kazoo's registrations, as they are described."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from api.kazoo_shapes import Id
from api.openapi import kazoo_requests as requests
from api.openapi.kazoo_answers import listed, resource
from api.openapi.kazoo_replies import Success
from api.openapi.kazoo_requests import USER_ID
from api.openapi.operation import Operation


class KazooRegistration(msgspec.Struct, kw_only=True):
    """A phone that is registered."""

    account_name: str
    account_realm: str
    authorizing_id: Id
    authorizing_type: Literal["device"]
    call_id: str
    contact: Annotated[str, Meta(description="Where the phone says that it is")]
    contact_ip: str
    contact_port: int
    event_timestamp: Annotated[int, Meta(description="When it registered last, in Gregorian seconds")]
    expires: Annotated[int, Meta(description="Seconds that are left")]
    from_host: str
    from_user: str
    network_ip: Annotated[str, Meta(description="Where its packets come from; empty: it registered through a proxy")]
    network_port: int
    original_contact: str
    owner_id: Id
    realm: str
    to_host: str
    to_user: str
    user_agent: str
    username: Annotated[str, Meta(description="Its number")]
    id: str
    received: Annotated[str, Meta(description="Where it is called; ours")]
    transport: Literal["udp", "tcp", "tls", "ws", "wss"]
    path: list[str]
    q: float
    instance: str
    reachable: Annotated[bool, Meta(description="False: its connection is gone, it has to register again; ours")]
    registered_at: str


class RegistrationsReply(Success, kw_only=True):
    """Some registrations."""

    data: list[KazooRegistration]


EXAMPLE: dict[str, Any] = {
    "account_name": "acme",
    "account_realm": "acme.example.com",
    "authorizing_id": USER_ID,
    "authorizing_type": "device",
    "call_id": "313432@192.168.1.10",
    "contact": "sip:1001@192.168.1.10:5060",
    "contact_ip": "192.168.1.10",
    "contact_port": 5060,
    "event_timestamp": 63967190400,
    "expires": 3540,
    "from_host": "acme.example.com",
    "from_user": "1001",
    "network_ip": "203.0.113.5",
    "network_port": 40001,
    "original_contact": "sip:1001@192.168.1.10:5060",
    "owner_id": USER_ID,
    "realm": "acme.example.com",
    "to_host": "acme.example.com",
    "to_user": "1001",
    "user_agent": "Yealink SIP-T46S 66.86.0.15",
    "username": "1001",
    "id": "4f1b0c9a7d3e2b68",
    "received": "203.0.113.5:40001",
    "transport": "udp",
    "path": [],
    "q": 1.0,
    "instance": "<urn:uuid:00000000-0000-1000-8000-805ec0ffee01>",
    "reachable": True,
    "registered_at": "2027-01-15T08:00:00.000Z",
}
REGISTRATIONS: dict[str, Operation] = {
    "GET /v2/accounts/{account_id}/registrations": resource(
        "listRegistrations",
        "List the phones that are registered",
        "11",
        listed("A page of them", RegistrationsReply, [EXAMPLE]),
        query=requests.PageQuery,
        headers=requests.IfNoneMatch,
    ),
}
