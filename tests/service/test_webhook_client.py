"""Where webhooks may lead, and how what is sent there is signed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from c2c_b2bua.config import Secret
from c2c_b2bua.service import webhook_client
from c2c_b2bua.service.webhook_client import Message, Networks, Resolver, WebhookClient, signature
from tests.webhook_receiver import Receiver

SECRET = Secret("whsec_c2VjcmV0")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with Receiver() as made:
        yield made


def test_the_signature_is_that_of_standard_webhooks() -> None:
    """The example of its documents, worked out with its reference library."""
    secret = Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'
    expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body) == expected


@pytest.mark.parametrize(
    ("address", "permitted"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1::1", True),
        ("127.0.0.1", False),
        ("127.9.9.9", False),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("192.0.2.1", False),
        ("198.18.0.1", False),
        ("224.0.0.1", False),
        ("239.1.2.3", False),
        ("255.255.255.255", False),
        ("240.0.0.1", False),
        ("::", False),
        ("::1", False),
        ("::127.0.0.1", False),
        ("fe80::1", False),
        ("fe80::1%eth0", False),
        ("fec0::1", False),
        ("fc00::1", False),
        ("ff0e::1", False),
        ("2001:db8::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:93.184.216.34", True),
        ("64:ff9b::10.0.0.1", False),
        ("64:ff9b::5db8:d822", True),
        ("64:ff9b:1::1", False),
        ("2002:7f00:1::1", False),
        ("2001:0:4136:e378:8000:63bf:f5ff:fffe", False),
        ("crm.example", False),
        ("", False),
    ],
)
def test_public_addresses_only(address: str, permitted: bool) -> None:
    assert Networks([]).permits(address) is permitted


def test_networks_that_the_operator_allows() -> None:
    networks = Networks(["10.0.0.0/8", "fd00::/8"])
    assert networks.permits("10.1.2.3") and networks.permits("fd00::1") and networks.permits("::ffff:10.1.2.3")
    assert not networks.permits("127.0.0.1") and not networks.permits("fc00::1")


class TestNoNetworkIsAllowed:
    """The receiver is on loopback, which is not public."""

    @pytest.fixture
    async def client(self) -> AsyncIterator[WebhookClient]:
        made = WebhookClient(Networks([]), 5.0)
        yield made
        await made.close()

    @pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "127.1"])
    async def test_nothing_is_sent(self, client: WebhookClient, receiver: Receiver, host: str) -> None:
        problem = await client.send(
            f"http://{host}:{receiver.port}/", SECRET, Message("x-1", 1, b"{}"), 1_800_000_000.0
        )
        assert problem
        assert receiver.received.empty()

    async def test_the_log_says_why(self, client: WebhookClient, receiver: Receiver) -> None:
        problem = await client.send(receiver.url, SECRET, Message("x-1", 1, b"{}"), 1.0)
        assert problem == "127.0.0.1 is not an address that webhooks may call"


async def test_a_name_is_looked_up_for_every_try(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that is public when it is registered and private later is of no use to anybody."""
    asked: list[str] = []
    answers = ["127.0.0.1", "10.0.0.1"]

    def look_up(host: str, port: int, *_: object, **__: object) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (answers[len(asked) - 1], port))]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    client = WebhookClient(Networks(["127.0.0.0/8"]), 5.0)
    url = f"http://crm.example:{receiver.port}/"
    assert await client.send(url, SECRET, Message("x-1", 1, b'{"state":1}'), 1.0) == ""
    assert (await receiver.next()).headers["host"] == f"crm.example:{receiver.port}"
    problem = await client.send(url, SECRET, Message("x-1", 1, b"{}"), 2.0)
    assert problem == "10.0.0.1 is not an address that webhooks may call"
    assert asked == ["crm.example"] * 2
    await client.close()


async def test_a_name_that_does_not_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    def look_up(*_: object, **__: object) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    client = WebhookClient(Networks([]), 5.0)
    problem = await client.send("http://crm.example/", SECRET, Message("x-1", 1, b"{}"), 1.0)
    assert "Name or service not known" in problem
    await client.close()


async def test_a_slow_name_server_has_one_thread_for_each_name(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[str] = []

    class Thread:
        """Never gets an answer."""

        def __init__(self, target: object, args: tuple[Any, ...], daemon: bool) -> None:
            assert daemon, "a hanging look-up must not keep the process"
            started.append(args[2])

        def start(self) -> None: ...

    monkeypatch.setattr(webhook_client.threading, "Thread", Thread)
    resolver = Resolver()
    asking = [asyncio.ensure_future(resolver.resolve(host, 80)) for host in ("a", "a", "b", "a")]
    await asyncio.sleep(0)
    assert started == ["a", "b"]
    await resolver.close()
    assert [type(error) for error in await asyncio.gather(*asking, return_exceptions=True)] == [
        asyncio.CancelledError
    ] * 4
