"""One event sent to one webhook: signed (Standard Webhooks), and to nobody who is not meant to be reached from here."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import hmac
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult

from c2c_b2bua import __version__
from c2c_b2bua.config import Secret

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
GLOBAL_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All that the IPv6 address registry has given to the public Internet (RFC 4291 §2.4)."""
NUMERIC = socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
SECRET_PREFIX = "whsec_"


class Networks:
    """Which addresses may be called: public ones, and those in `allowed`."""

    def __init__(self, allowed: Iterable[str]) -> None:
        self.allowed = [ipaddress.ip_network(text) for text in allowed]

    def permits(self, text: str) -> bool:
        """Whether this address may be called. One that carries another within it is judged by that one."""
        try:
            address: Address = ipaddress.ip_address(text)
        except ValueError:
            return False
        if any(address in network for network in self.allowed):
            return True
        inner = carried(address)
        if inner is not None:
            return self.permits(str(inner))
        if isinstance(address, ipaddress.IPv6Address) and address not in GLOBAL_UNICAST:
            return False
        return address.is_global and not address.is_multicast

    def forbids(self, host: str) -> bool:
        """Whether this is an address and not a name, and one that may not be called."""
        try:
            ipaddress.ip_address(host)
        except ValueError:
            return False
        return not self.permits(host)


def carried(address: Address) -> Address | None:
    """The IPv4 address that an IPv6 address leads to, by mapping, 6to4, Teredo or NAT64."""
    if isinstance(address, ipaddress.IPv4Address):
        return None
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


class ForbiddenAddressError(OSError):
    """A webhook's name leads to an address that webhooks may not call."""


class Resolver(AbstractResolver):
    """Looks each name up on a thread of its own, one at a time: a slow name server holds up no call and no other name."""

    def __init__(self) -> None:
        self.pending: dict[tuple[str, int], asyncio.Future[list[ResolveResult]]] = {}

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Where this name leads; those who ask meanwhile get the same answer."""
        key = (host, port)
        pending = self.pending.get(key)
        if pending is None:
            loop = asyncio.get_running_loop()
            pending = self.pending[key] = loop.create_future()
            pending.add_done_callback(lambda done: self.forget(key, done))
            threading.Thread(target=look_up, args=(loop, pending, host, port, family), daemon=True).start()
        return await asyncio.shield(pending)

    def forget(self, key: tuple[str, int], done: asyncio.Future[list[ResolveResult]]) -> None:
        """The next who asks asks anew."""
        del self.pending[key]
        if not done.cancelled():
            done.exception()  # Nobody may be left to hear it.

    async def close(self) -> None:
        """A thread that still waits for a name server ends with it, or with the process."""
        for pending in list(self.pending.values()):
            pending.cancel()


def look_up(
    loop: asyncio.AbstractEventLoop,
    answer: asyncio.Future[list[ResolveResult]],
    host: str,
    port: int,
    family: socket.AddressFamily,
) -> None:
    """What the system says, for `answer`."""

    def tell(set_answer: Callable[[Any], None], value: object) -> None:
        if not answer.done():
            set_answer(value)

    try:
        found = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM, flags=socket.AI_ADDRCONFIG)
        addresses = [
            ResolveResult(hostname=host, host=str(to[0]), port=port, family=kind, proto=protocol, flags=NUMERIC)
            for kind, _, protocol, _, to in found
        ]
        outcome: tuple[Callable[[Any], None], object] = (answer.set_result, addresses)
    except (OSError, UnicodeError) as error:
        outcome = (answer.set_exception, error)
    with contextlib.suppress(RuntimeError):  # The loop is closed: nobody asks any more.
        loop.call_soon_threadsafe(tell, *outcome)


class Message(msgspec.Struct, frozen=True):
    """What is sent; `sequence` is the place of the event in its call."""

    id: str
    sequence: int
    body: bytes


class WebhookClient:
    """Makes every connection anew, so that each try asks where the name leads now."""

    def __init__(self, networks: Networks, timeout: float) -> None:
        self.networks = networks
        self.resolver = Resolver()
        connector = aiohttp.TCPConnector(
            limit=0, force_close=True, use_dns_cache=False, resolver=self.resolver, socket_factory=self.socket_to
        )
        self.session = aiohttp.ClientSession(
            connector=connector,
            timeout=aiohttp.ClientTimeout(total=timeout),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers={"User-Agent": f"c2c-b2bua/{__version__}", "Content-Type": "application/json"},
        )

    def socket_to(self, info: tuple[Any, ...]) -> socket.socket:
        """The socket for an address; aiohttp asks here for each that it is about to connect to, however it was found."""
        family, kind, protocol, _, address = info
        if not self.networks.permits(str(address[0])):
            raise ForbiddenAddressError(f"{address[0]} is not an address that webhooks may call")
        return socket.socket(family=family, type=kind, proto=protocol)

    async def send(self, url: str, secret: Secret, message: Message, now: float) -> str:
        """`""` when it arrived, else why not."""
        headers = {
            "webhook-id": message.id,
            "webhook-timestamp": str(int(now)),
            "webhook-signature": signature(secret, message.id, int(now), message.body),
            "webhook-sequence": str(message.sequence),
        }
        try:
            async with self.session.post(url, data=message.body, headers=headers, allow_redirects=False) as response:
                return "" if 200 <= response.status < 300 else f"answered {response.status}"
        except TimeoutError:
            return "timed out"
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return type(error).__name__ if not str(error) else reason(error)

    async def close(self) -> None:
        """Close what is open."""
        await self.session.close()
        await self.resolver.close()


def reason(error: Exception) -> str:
    """What went wrong; the sentences around it would name the whole URL."""
    cause = getattr(error, "os_error", None) or error
    return str(cause) if isinstance(cause, OSError) else type(error).__name__


def signature(secret: Secret, identifier: str, timestamp: int, body: bytes) -> str:
    """Of Standard Webhooks, version 1: HMAC-SHA256 over id, time and body."""
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    signed = f"{identifier}.{timestamp}.".encode() + body
    return "v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
