"""Where a message came from or shall go, and which of our addresses stands on our end of it (RFC 3261 §18, RFC 3263 §4)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import final

import msgspec

from c2c_b2bua.sip.errors import SipError
from c2c_b2bua.sip.uri import Uri

RELIABLE_TRANSPORTS = frozenset({"TCP", "TLS", "WS", "WSS"})
SECURE_TRANSPORTS = frozenset({"TLS", "WSS"})
DEFAULT_PORTS = {"UDP": 5060, "TCP": 5060, "TLS": 5061, "WS": 80, "WSS": 443}
LONGEST_HOST = 255
"""Characters of a name in DNS (RFC 1035 §2.3.4)."""
PREFERENCE = ("UDP", "TCP", "TLS")
"""The transports we open ourselves, in the order we take them where nobody names one."""
URI_TRANSPORTS = {"TCP": "tcp", "TLS": "tls", "WS": "ws", "WSS": "ws"}
"""The transport parameter of our Contact; RFC 7118 §5.2 has one for both kinds of WebSocket."""


def bracketed(host: str) -> str:
    """An IPv6 address in the brackets that URIs and Via want; other hosts as they are."""
    return f"[{host}]" if ":" in host and host[0] != "[" else host


class Interface(msgspec.Struct, frozen=True):
    """One of our listening sockets. `host` and `port` are what peers are told (the advertised address)."""

    transport: str
    host: str
    port: int
    index: int = 0
    """The socket's place among those of the engine."""
    user: str = "c2c"
    """User part of our Contact: names the engine."""
    sent_by: str = ""
    """`host:port` as Via wants it; made from the above."""
    contact: str = ""
    """Where requests inside our dialogs shall come, as a Contact value; made from the above."""
    secure_contact: str = ""
    """The same for who called a SIPS URI."""
    via: str = ""
    """Our Via up to the branch; made from the above."""

    def __post_init__(self) -> None:
        sent_by = f"{bracketed(self.host)}:{self.port}"
        transport = "" if self.transport == "UDP" else f";transport={URI_TRANSPORTS[self.transport]}"
        msgspec.structs.force_setattr(self, "sent_by", sent_by)
        msgspec.structs.force_setattr(self, "contact", f"<sip:{self.user}@{sent_by}{transport}>")
        secure = ";transport=ws" if self.transport in ("WS", "WSS") else ""
        msgspec.structs.force_setattr(self, "secure_contact", f"<sips:{self.user}@{sent_by}{secure}>")
        msgspec.structs.force_setattr(self, "via", f"SIP/2.0/{self.transport} {sent_by};branch=")

    @property
    def is_ipv6(self) -> bool:
        return ":" in self.host


class Flow(msgspec.Struct, frozen=True):
    """A pair of ends: one of our sockets, and the peer's address. `connection` tells the streams of a peer apart."""

    interface: Interface
    host: str
    port: int
    connection: int = 0
    """0: no stream (UDP), or the one to be opened or reused for this peer."""
    name: str = ""
    """Whom the peer of a TLS stream that we open has to prove to be (RFC 5922 §7): the host of the URI that led there."""

    @property
    def transport(self) -> str:
        return self.interface.transport

    @property
    def is_reliable(self) -> bool:
        return self.interface.transport in RELIABLE_TRANSPORTS


class Target(msgspec.Struct, frozen=True):
    """One place that a hop leads to, after DNS."""

    transport: str
    address: str
    port: int
    name: str = ""
    """The host of the URI, that a certificate has to name."""


@final
class Hop(msgspec.Struct, frozen=True):
    """The next hop as a URI names it, before DNS: `transport` and `port` are None where the URI is silent."""

    host: str
    port: int | None
    transport: str | None
    address: str | None = None
    """The IP address, if the host is one and not a name."""
    is_secure: bool = False
    """A SIPS URI: only TLS will do (RFC 3261 §26.2.2)."""

    @classmethod
    def of(cls, uri: Uri) -> Hop:
        """Read the hop out of a Route or Request-URI (RFC 3263 §4.1); SipError 416 for another scheme, 503 without a way."""
        host = uri.parameters.get("maddr") or uri.host
        if len(host) > LONGEST_HOST:
            raise SipError("the name of a host is too long", 503)
        return find_hop(uri.scheme, host, uri.port, uri.transport)


@lru_cache(maxsize=4096)
def find_hop(scheme: str, host: str, port: int | None, named: str) -> Hop:
    """The hop of a URI with these parts; `named` is its transport parameter, `""` without one."""
    if scheme not in ("sip", "sips"):
        raise SipError(f"cannot send to a {scheme} URI", 416)
    transport = named.upper() or None
    if transport is not None and transport not in DEFAULT_PORTS:
        raise SipError(f"unknown transport {named[:40]}", 503)
    is_secure = scheme == "sips"
    if is_secure:
        if transport == "UDP":
            raise SipError("no sips over UDP", 503)
        transport = {"TCP": "TLS", "WS": "WSS"}.get(transport or "", transport)
    text = host.strip("[]")
    try:
        address = str(ipaddress.ip_address(text))
    except ValueError:
        address = None
    return Hop(host, port, transport, address, is_secure)


BEHIND_A_NAT = tuple(
    map(
        ipaddress.ip_network,
        ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "127.0.0.0/8", "fc00::/7"),
    )
)
"""Addresses that lead nowhere from outside (RFC 1918, RFC 6598, RFC 3927, RFC 4193)."""


@lru_cache(maxsize=4096)
def is_private(host: str) -> bool:
    """Whether a host is an address of a network that only its neighbours reach; a name is none."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return any(address.version == network.version and address in network for network in BEHIND_A_NAT)


def way_past_nat(host: str, seen: Flow | None) -> Flow | None:
    """The flow that a message came over, where the `host` of its Contact can only be reached behind the NAT it came through."""
    return seen if seen is not None and is_private(host) and not is_private(seen.host) else None


class Interfaces:
    """Our sockets: finds the one a hop is reached through."""

    def __init__(self, interfaces: list[Interface]) -> None:
        self.interfaces = interfaces
        self.by_kind: dict[tuple[str, bool], Interface] = {}
        self.find = lru_cache(maxsize=4096)(self.find_way)
        for interface in interfaces:
            self.by_kind.setdefault((interface.transport, interface.is_ipv6), interface)
        self.kinds = list(self.by_kind)

    def way_to(self, uri: Uri) -> Flow | Hop:
        """The flow to the hop that a Route or Request-URI names; the hop itself when its address is to be found first.

        SipError 416 for a scheme of others, 503 without a way.
        """
        parameters = uri.parameters
        if not parameters:
            return self.find(uri.scheme, uri.host, uri.port, "")
        return self.find(uri.scheme, parameters.get("maddr") or uri.host, uri.port, uri.transport)

    def find_way(self, scheme: str, host: str, port: int | None, named: str) -> Flow | Hop:
        hop = find_hop(scheme, host, port, named)
        return hop if hop.address is None else self.flow_to(hop.address, hop)

    def flow_to(self, address: str, hop: Hop) -> Flow:
        """The flow to `hop` at IP `address`; without a named transport UDP is taken, else the first stream we listen on.

        SipError 503 when we have no socket of that kind.
        """
        is_ipv6 = ":" in address
        named = hop.transport or ("TLS" if hop.is_secure else "")
        for transport in (named,) if named else PREFERENCE:
            interface = self.by_kind.get((transport, is_ipv6))
            if interface is not None:
                name = hop.host.strip("[]") if transport in SECURE_TRANSPORTS else ""
                return Flow(interface, address, hop.port or DEFAULT_PORTS[transport], 0, name)
        family = "IPv6" if is_ipv6 else "IPv4"
        raise SipError(f"no {named or 'SIP'} socket of ours reaches {family} {address}", 503)

    def flows_to(self, targets: Sequence[Target]) -> list[Flow]:
        """The flows to those targets for which we have a socket, in their order."""
        found = [(self.by_kind.get((target.transport, ":" in target.address)), target) for target in targets]
        return [Flow(ours, target.address, target.port, 0, target.name) for ours, target in found if ours is not None]

    def address_for(self, hop: Hop) -> str:
        """Our own address as a peer at `hop` would use it: one of its family, where we have one."""
        address = hop.address
        for interface in self.interfaces:
            if address is None or interface.is_ipv6 == (":" in address):
                return interface.host
        return self.interfaces[0].host

    def over(self, transport: str, flow: Flow) -> Flow | None:
        """The same peer over another transport (RFC 3261 §18.1.1); None when we do not speak it."""
        interface = self.by_kind.get((transport, flow.interface.is_ipv6))
        return None if interface is None else Flow(interface, flow.host, flow.port)
