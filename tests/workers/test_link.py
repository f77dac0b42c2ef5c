"""The socket between desk and worker: whole messages in order, and nothing else."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from c2c_b2bua.call.news import CallBridged, LegFailed, TransferAsked
from c2c_b2bua.sip.reason import Why
from c2c_b2bua.workers.link import HEAD, LONGEST, Link
from c2c_b2bua.workers.messages import Counted, Forget, FromDesk, FromWorker, HangUp, Told, news_of, told

PATIENCE = 5


class Listener:
    """One end, and what it heard."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[Any] = asyncio.Queue()
        self.link: Link

    async def open(self, end: socket.socket, expected: Any) -> None:
        self.link = await Link.over(end, expected, self.hear)

    def hear(self, message: Any) -> None:
        if message == Forget("trouble"):
            raise ValueError("trouble")
        self.heard.put_nowait(message)

    async def next(self) -> Any:
        async with asyncio.timeout(PATIENCE):
            return await self.heard.get()


@pytest.fixture
async def listener() -> AsyncIterator[tuple[Listener, socket.socket]]:
    """A worker's end, and the socket of a desk."""
    ours, theirs = socket.socketpair()
    listener = Listener()
    await listener.open(ours, FromDesk)
    yield listener, theirs
    listener.link.close()
    theirs.close()


def framed(*messages: msgspec.Struct) -> bytes:
    bodies = [msgspec.msgpack.encode(message) for message in messages]
    return b"".join(HEAD.pack(len(body)) + body for body in bodies)


async def test_messages_in_order_both_ways() -> None:
    desk, worker = await pair()
    for number in range(1000):
        desk.link.send(HangUp(str(number)))
    worker.link.send(Counted({"calls": 3}))
    assert [await worker.next() for _ in range(1000)] == [HangUp(str(number)) for number in range(1000)]
    assert await desk.next() == Counted({"calls": 3})
    desk.link.send(Forget("last words"))
    desk.link.close()
    assert await worker.next() == Forget("last words")
    async with asyncio.timeout(PATIENCE):
        await worker.link.lost.wait()
    worker.link.send(Counted({}))


async def test_frames_in_pieces(listener: tuple[Listener, socket.socket]) -> None:
    heard, desk = listener
    data = framed(HangUp("1"), Forget("2"))
    for index in range(len(data)):
        desk.send(data[index : index + 1])
        await asyncio.sleep(0)
    assert [await heard.next(), await heard.next()] == [HangUp("1"), Forget("2")]


async def pair() -> tuple[Listener, Listener]:
    """The desk's end and a worker's."""
    one, other = socket.socketpair()
    desk, worker = Listener(), Listener()
    await desk.open(one, FromWorker)
    await worker.open(other, FromDesk)
    return desk, worker


async def test_what_may_wait_goes_with_what_may_not() -> None:
    desk, worker = await pair()
    desk.link.send(HangUp("1"))
    desk.link.send(Forget("2"), 60.0)
    desk.link.send(Forget("3"), 60.0)
    assert await worker.next() == HangUp("1")
    assert worker.heard.empty()
    desk.link.send(HangUp("4"))
    assert [await worker.next() for _ in range(3)] == [Forget("2"), Forget("3"), HangUp("4")]
    desk.link.close()


async def test_what_may_wait_does_not_wait_longer_than_that() -> None:
    desk, worker = await pair()
    loop = asyncio.get_running_loop()
    desk.link.send(HangUp("1"))
    started = loop.time()
    desk.link.send(Forget("2"), 60.0)
    desk.link.send(Forget("3"), 0.1)
    assert [await worker.next() for _ in range(3)] == [HangUp("1"), Forget("2"), Forget("3")]
    assert loop.time() - started >= 0.09
    desk.link.close()


async def test_after_a_rest_nothing_waits() -> None:
    desk, worker = await pair()
    desk.link.send(HangUp("1"))
    desk.link.sent_at -= 0.02
    desk.link.send(Forget("2"), 0.01)
    assert not desk.link.unsent
    assert [await worker.next() for _ in range(2)] == [HangUp("1"), Forget("2")]
    desk.link.close()


async def test_what_waits_is_sent_before_the_end() -> None:
    desk, worker = await pair()
    desk.link.send(HangUp("1"))
    desk.link.send(Forget("2"), 60.0)
    desk.link.close()
    assert [await worker.next() for _ in range(2)] == [HangUp("1"), Forget("2")]
    async with asyncio.timeout(PATIENCE):
        await worker.link.lost.wait()


async def test_what_cannot_be_written_harms_no_other() -> None:
    desk, worker = await pair()
    desk.link.send(HangUp("1"))
    desk.link.send(Forget("2"), 60.0)
    with pytest.raises(UnicodeEncodeError):
        desk.link.send(HangUp("\udcff"))
    desk.link.send(HangUp("3"))
    assert [await worker.next() for _ in range(3)] == [HangUp("1"), Forget("2"), HangUp("3")]
    desk.link.close()


async def test_what_waits_when_the_other_end_goes_is_dropped() -> None:
    desk, worker = await pair()
    desk.link.send(HangUp("1"))
    desk.link.send(Forget("2"), 0.1)
    worker.link.close()
    async with asyncio.timeout(PATIENCE):
        await desk.link.lost.wait()
    assert not desk.link.unsent
    assert desk.link.timer is None


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(HEAD.pack(LONGEST + 1), id="too long"),
        pytest.param(HEAD.pack(3) + b"\xc1\xc1\xc1", id="no msgpack"),
        pytest.param(framed(Counted({})), id="of the other end"),
        pytest.param(HEAD.pack(6) + msgspec.msgpack.encode([3, 4, 5, 6, 7]), id="of no message"),
    ],
)
async def test_what_is_no_message_breaks_the_link(data: bytes, listener: tuple[Listener, socket.socket]) -> None:
    heard, desk = listener
    desk.send(framed(HangUp("before")) + data + framed(HangUp("after")))
    async with asyncio.timeout(PATIENCE):
        await heard.link.lost.wait()
    assert await heard.next() == HangUp("before")
    assert heard.heard.empty()


async def test_what_fails_over_a_message_harms_no_other(
    listener: tuple[Listener, socket.socket], capsys: pytest.CaptureFixture[str]
) -> None:
    heard, desk = listener
    desk.send(framed(Forget("trouble"), HangUp("1")))
    assert await heard.next() == HangUp("1")
    assert "failed over a message" in capsys.readouterr().out


@pytest.mark.parametrize(
    "news",
    [
        CallBridged("c2c-1", 5.0),
        LegFailed("c2c-1", 5.0, "b", "carrier", Why("USER_BUSY", 486, "Busy"), False),
        TransferAsked("c2c-1", 5.0, "a", "key", "sip:1003@acme.example.com", ""),
    ],
)
def test_news_is_what_it_was(news: Any) -> None:
    frame = msgspec.msgpack.encode(told(news))
    assert news_of(msgspec.msgpack.Decoder(FromWorker, strict=True).decode(frame)) == news  # type: ignore[arg-type]


def test_a_phone_may_name_what_is_no_text() -> None:
    asked = TransferAsked("c2c-1", 5.0, "a", "key", "sip:\udcff@x", "")
    message = told(asked)
    assert isinstance(message, Told)
    assert news_of(message) == TransferAsked("c2c-1", 5.0, "a", "key", "sip:\ufffd@x", "")


def test_why_a_leg_failed_may_be_no_text() -> None:
    failed = LegFailed("c2c-1", 5.0, "b", "carrier", Why("USER_BUSY", 486, "Besetzt f\udcfcr alle"), False)
    news = news_of(told(failed))
    assert news == LegFailed("c2c-1", 5.0, "b", "carrier", Why("USER_BUSY", 486, "Besetzt f\ufffdr alle"), False)
