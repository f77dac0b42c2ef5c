"""What two processes say to each other: letters in pieces, many at once, with sockets, and the end of it."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from c2c_b2bua.transport import link
from c2c_b2bua.transport.link import Answer, Astray, Drain, Drained, Handed, Letters, Link, Relay

PATIENCE = 5.0


class Ends:
    """Both ends of a link; what each hears waits in a queue."""

    def __init__(self) -> None:
        self.heard: asyncio.Queue[tuple[Letters, list[socket.socket]]] = asyncio.Queue()
        self.gone = asyncio.Event()
        self.raw, other = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.raw.setblocking(False)
        self.theirs = Link(other, lambda _, letter, sockets: self.heard.put_nowait((letter, sockets)), self.lost)

    def lost(self, _link: Link) -> None:
        assert not self.gone.is_set()
        self.gone.set()

    def ours(self) -> Link:
        return Link(self.raw, lambda *_: None, lambda _: None)

    async def next(self) -> tuple[Letters, list[socket.socket]]:
        async with asyncio.timeout(PATIENCE):
            return await self.heard.get()


def wire(letter: Letters) -> bytes:
    body = link.encoder.encode(letter)
    return link.LENGTH.pack(len(body)) + body


ASTRAY = Astray(1, "192.0.2.9", 5070, 0, b"BYE sip:x SIP/2.0\r\n\r\n\xff")


async def test_letters_in_pieces_and_many_at_once() -> None:
    ends = Ends()
    data = wire(Drain()) + wire(ASTRAY) + wire(Answer(7, b"")) + wire(Drained(3))
    for piece in (data[:1], data[1:9], data[9:]):
        ends.raw.send(piece)
        await asyncio.sleep(0)
    assert [(await ends.next())[0] for _ in range(4)] == [Drain(), ASTRAY, Answer(7, b""), Drained(3)]
    ends.raw.close()
    async with asyncio.timeout(PATIENCE):
        await ends.gone.wait()
    ends.theirs.send(Drain())
    assert not ends.theirs.is_open


async def test_a_letter_longer_than_a_socket_holds_and_the_sockets_with_it() -> None:
    ends, ours = Ends(), None
    ours = ends.ours()
    calls = [f"{number:032x}" for number in range(60_000)]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, socket.socket() as two:
        one.bind(("127.0.0.1", 0))
        two.bind(("127.0.0.1", 0))
        names = [one.getsockname(), two.getsockname()]
        ours.send(Handed(["a"], ["udp", "tcp"], [], calls), [one.dup(), two.dup()])
        ours.send(ASTRAY)
    letter, sockets = await ends.next()
    assert isinstance(letter, Handed)
    assert letter.calls == calls
    assert [opened.getsockname() for opened in sockets] == names
    link.close_all(sockets)
    assert await ends.next() == (ASTRAY, [])
    ours.close()
    ours.close()
    async with asyncio.timeout(PATIENCE):
        await ends.gone.wait()


@pytest.mark.parametrize("data", [b"\xff\xff\xff\xff", link.LENGTH.pack(3) + b"abc", link.LENGTH.pack(1) + b"\x01"])
async def test_what_is_no_letter_ends_it(data: bytes) -> None:
    ends = Ends()
    ends.raw.send(data)
    async with asyncio.timeout(PATIENCE):
        await ends.gone.wait()
    ends.raw.close()
    assert ends.heard.empty()


@pytest.mark.parametrize("says_something", ["before", "after"])
async def test_an_end_that_leaves_something_unread_is_no_fault(says_something: str) -> None:
    """A process that has ended reads no more; that it has is told by `lost` alone."""
    ends = Ends()
    with capture_logs() as logs:
        if says_something == "before":
            ends.theirs.send(ASTRAY)
        ends.raw.close()
        if says_something == "after":
            ends.theirs.send(ASTRAY)
        async with asyncio.timeout(PATIENCE):
            await ends.gone.wait()
    assert logs == []


async def test_a_stream_of_the_other_process() -> None:
    ends = Ends()
    ours = ends.ours()
    relay = Relay(ours, 5)
    relay.send(b"SIP/2.0 200 OK\r\n\r\n")
    assert await ends.next() == (Answer(5, b"SIP/2.0 200 OK\r\n\r\n"), [])
    assert relay.is_open
    ours.close()
    assert not relay.is_open
    ends.theirs.close()


async def test_the_place_where_they_meet(tmp_path: Path) -> None:
    """However long its path; taken over from whoever was there; for its owner only; gone with the last who had it."""
    path = tmp_path / ("x" * 100) / "c2c.db.sock"
    path.parent.mkdir()
    assert link.connect(path) is None
    first, inode = link.listen(path)
    assert path.stat().st_mode & 0o777 == 0o600
    second, other = link.listen(path)
    end = link.connect(path)
    assert end is not None
    second.setblocking(True)
    second.accept()[0].close()
    end.close()
    first.close()
    link.forget(path, inode)
    assert path.exists()
    second.close()
    link.forget(path, other)
    assert not path.exists()
    assert os.listdir(path.parent) == []  # noqa: PTH208
    path.write_text("no socket")
    assert link.connect(path) is None
