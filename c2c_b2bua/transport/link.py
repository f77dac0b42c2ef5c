"""Two processes of ours on one machine: messages and open sockets over a Unix socket (SCM_RIGHTS, unix(7)).

Frames are as those of `workers/link.py`; but the socket is read and written here, as no transport of asyncio hands sockets on.
"""

from __future__ import annotations

import array
import asyncio
import os
import socket
import stat
import struct
from collections import deque
from collections.abc import Callable
from pathlib import Path

import msgspec
import structlog

VERSION = 1
"""Of the letters: two releases understand each other when theirs is the same."""
LENGTH = struct.Struct("!I")
PEER = struct.Struct("iII")
"""What Linux tells of the process at the other end: its id, its user, its group (unix(7), SO_PEERCRED)."""
READ = 262_144
LONGEST = 1 << 27
MOST_SOCKETS = 250
"""Linux takes 253 with one message."""
DESCRIPTOR = array.array("i").itemsize

log = structlog.get_logger()


class Letter(msgspec.Struct, frozen=True, array_like=True, tag=True):
    """What one process says to the other."""


class Drain(Letter, frozen=True):
    """Take no more calls."""


class Drained(Letter, frozen=True):
    """It takes none; so many go on."""

    calls: int


class HandOver(Letter, frozen=True):
    """Give me your sockets, of which you read no more from then on; `version` is that of these letters."""

    version: int


class Handed(Letter, frozen=True):
    """The sockets come with it, in this order."""

    engines: list[str]
    """Names of the engines whose messages are to be sent back over this link."""
    listens: list[str]
    """What each socket listens to, as it stands in the configuration; the one of HTTP is `http:` and its address."""
    places: list[str]
    """What the sender listens to, by `Astray.index`."""
    calls: list[str]
    """History ids of the calls that the sender goes on with, or has still to tell of."""


class Refused(Letter, frozen=True):
    """Not now, or not to you."""

    reason: str


class Taken(Letter, frozen=True):
    """From now on it is me who reads; HTTP is at this host and port."""

    http: tuple[str, int]


class Astray(Letter, frozen=True):
    """A message for an engine behind this link, and the way it came: socket, peer, number of the stream (0: none)."""

    index: int
    host: str
    port: int
    connection: int
    data: bytes


class Answer(Letter, frozen=True):
    """Bytes for the stream over which something had gone astray."""

    connection: int
    data: bytes


Letters = Drain | Drained | HandOver | Handed | Refused | Taken | Astray | Answer
encoder = msgspec.msgpack.Encoder()
decoder: msgspec.msgpack.Decoder[Letters] = msgspec.msgpack.Decoder(Letters)


class Link:
    """One end. `heard` is told of each letter and the sockets that came with it, `lost` when the other end is gone."""

    def __init__(
        self,
        end: socket.socket,
        heard: Callable[[Link, Letters, list[socket.socket]], None],
        lost: Callable[[Link], None],
    ) -> None:
        self.end = end
        self.heard = heard
        self.lost = lost
        self.loop = asyncio.get_running_loop()
        self.buffer = bytearray()
        self.sockets: list[socket.socket] = []
        """That came with the letter which is being read."""
        self.unsent: deque[tuple[memoryview, list[socket.socket]]] = deque()
        self.is_open = True
        self.process = PEER.unpack(end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER.size))[0]
        end.setblocking(False)
        self.loop.add_reader(end, self.read)

    def send(self, letter: Letters, sockets: list[socket.socket] | None = None) -> None:
        """Say something, and give these sockets away: our own end of them is closed."""
        sockets = sockets or []
        if not self.is_open:
            close_all(sockets)
            return
        body = encoder.encode(letter)
        self.unsent.append((memoryview(LENGTH.pack(len(body)) + body), sockets))
        if len(self.unsent) == 1:
            self.write()

    def write(self) -> None:
        """As much as the other end takes."""
        try:
            while self.unsent:
                data, sockets = self.unsent[0]
                if sockets:
                    sent = socket.send_fds(self.end, [data], [one.fileno() for one in sockets])
                    close_all(sockets)
                else:
                    sent = self.end.send(data)
                if sent == len(data):
                    self.unsent.popleft()
                else:
                    self.unsent[0] = (data[sent:], [])
        except BlockingIOError:
            self.loop.add_writer(self.end, self.write)
        except ConnectionError:
            self.close()
        except OSError as error:
            self.fail(error)
        else:
            self.loop.remove_writer(self.end)

    def read(self) -> None:
        """What the other end says."""
        try:
            data, ancillary, _, _ = self.end.recvmsg(READ, socket.CMSG_SPACE(MOST_SOCKETS * DESCRIPTOR))
        except BlockingIOError:
            return
        except ConnectionError:
            # Ended, with something unread of what we said: for `lost` it is the end all the same.
            self.close()
            return
        except OSError as error:
            self.fail(error)
            return
        for level, kind, content in ancillary:
            if (level, kind) == (socket.SOL_SOCKET, socket.SCM_RIGHTS):
                numbers = array.array("i", content[: len(content) - len(content) % DESCRIPTOR])
                self.sockets += [socket.socket(fileno=number) for number in numbers]
        if not data:
            self.close()
            return
        self.buffer += data
        try:
            self.take()
        except (msgspec.MsgspecError, ValueError) as error:
            self.fail(error)

    def take(self) -> None:
        """Every letter that is whole."""
        while self.is_open and len(self.buffer) >= LENGTH.size:
            (length,) = LENGTH.unpack_from(self.buffer)
            if length > LONGEST:
                raise ValueError(f"a letter of {length} bytes")
            end = LENGTH.size + length
            if len(self.buffer) < end:
                return
            letter = decoder.decode(memoryview(self.buffer)[LENGTH.size : end])
            del self.buffer[:end]
            sockets, self.sockets = self.sockets, []
            self.heard(self, letter, sockets)

    async def until_gone(self, patience: float) -> None:
        """Until the process at the other end is no more, and its locks are free: a killed one closes its files in turn."""
        try:
            ended = os.pidfd_open(self.process)
        except OSError:
            return
        gone = asyncio.Event()
        self.loop.add_reader(ended, gone.set)
        try:
            async with asyncio.timeout(patience):
                await gone.wait()
        except TimeoutError:
            log.warning("the process at the other end of a link lives on without it", process=self.process)
        finally:
            self.loop.remove_reader(ended)
            os.close(ended)

    def fail(self, error: Exception) -> None:
        log.warning("link between processes lost", reason=str(error))
        self.close()

    def close(self) -> None:
        """End it; `lost` is told, once."""
        if not self.is_open:
            return
        self.is_open = False
        self.loop.remove_reader(self.end)
        self.loop.remove_writer(self.end)
        self.end.close()
        close_all(self.sockets)
        for _, sockets in self.unsent:
            close_all(sockets)
        self.lost(self)


class Relay:
    """A stream that the other process has, as a connection of ours."""

    def __init__(self, link: Link, number: int) -> None:
        self.link = link
        self.number = number

    @property
    def is_open(self) -> bool:
        return self.link.is_open

    def send(self, data: bytes) -> None:
        self.link.send(Answer(self.number, data))

    def close(self) -> None:
        """The stream is not ours to be closed."""

    abort = close


# ── where the other process is found ─────────────────────────────────────────────────────────────────────────────────


def address_of(path: Path) -> tuple[str, int]:
    """An address for `path`, however long it is, and a descriptor to be closed after use (108 bytes are all it may have)."""
    folder = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    return f"/proc/self/fd/{folder}/{path.name}", folder


def connect(path: Path) -> socket.socket | None:
    """A connection to the process that listens there; None: there is none. OSError when we may not ask."""
    end = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        address, folder = address_of(path)
        try:
            end.connect(address)
        finally:
            os.close(folder)
    except (FileNotFoundError, ConnectionRefusedError):
        end.close()
        return None
    except OSError:
        end.close()
        raise
    return end


def listen(path: Path) -> tuple[socket.socket, int]:
    """Listen there, for ourselves only, whatever was there before; the inode is for `forget`. OSError."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    new = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        new.unlink(missing_ok=True)
        address, folder = address_of(new)
        before = os.umask(0o177)
        try:
            listener.bind(address)
        finally:
            os.umask(before)
            os.close(folder)
        listener.listen()
        listener.setblocking(False)
        inode = new.stat().st_ino
        new.rename(path)
    except OSError:
        listener.close()
        raise
    return listener, inode


def forget(path: Path, inode: int) -> None:
    """The file of who listened there goes, unless another process has put its own there."""
    try:
        if stat.S_ISSOCK(path.stat().st_mode) and path.stat().st_ino == inode:
            path.unlink()
    except OSError:
        return


def close_all(sockets: list[socket.socket]) -> None:
    while sockets:
        sockets.pop().close()
