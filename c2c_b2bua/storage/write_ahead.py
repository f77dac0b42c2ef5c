"""Accepted calls on disk before the database has them: files that are only appended to, synced in groups.

The database takes a call's row when that is cheap, often together with the call's end. A file goes when the database
has all of it; what a killed process left is read by the next one. Each entry is a head (length, checksum) and msgpack.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import re
import threading
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from queue import SimpleQueue

import msgspec

from c2c_b2bua.storage import entries
from c2c_b2bua.storage.database import StorageError

MAGIC = b"c2c accepted 1\n"
MODE = 0o600
NAME = re.compile(r"\.[0-9]+")
ALONE, TOGETHER = 0.003, 0.01
"""Seconds until the next sync after one that was for one call, and after one for several: where several come, more do."""
CALM = 0.02
"""Seconds after the last sync from which the next one is at once."""
FULL = 4_000_000
"""Bytes after which another file is begun."""


class Accepted(msgspec.Struct, kw_only=True, tag=True):
    """A call about to be made; `accepted_at` in seconds since 1970.

    `details` is a JSON object; the other three that may be None come with an idempotency key.
    """

    id: str
    account_id: str
    document_id: str
    call_id: str
    contact: str
    accepted_at: float
    idempotency_key: str | None = None
    request_hash: str | None = None
    reply: str | None = None
    details: str | None = None


class Replied(msgspec.Struct, kw_only=True, tag=True):
    """What a request that waited for its call was answered, when that came to be known."""

    id: str
    reply: str


Entry = Accepted | Replied
encoder = msgspec.msgpack.Encoder()
decoder: msgspec.msgpack.Decoder[Entry] = msgspec.msgpack.Decoder(Entry)


class File:
    """One open file, which nobody else may have; `left` counts the entries that the database does not have."""

    def __init__(self, path: Path, descriptor: int) -> None:
        self.path = path
        self.descriptor = descriptor
        self.size = 0
        self.left = 0
        self.is_closed = False
        """Nothing is added any more."""

    def append(self, data: bytes) -> None:
        """OSError, and then nothing was appended."""
        try:
            written = os.pwrite(self.descriptor, data, self.size)
            while written < len(data):
                written += os.pwrite(self.descriptor, data[written:], self.size + written)
        except OSError:
            os.ftruncate(self.descriptor, self.size)
            raise
        self.size += len(data)

    def settle(self) -> None:
        """The database has one more entry of it; the file goes with the last."""
        self.left -= 1
        if self.is_closed and not self.left:
            self.remove()

    def finish(self) -> None:
        """Nothing is added any more."""
        self.is_closed = True
        if not self.left:
            self.remove()

    def remove(self) -> None:
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


class WriteAhead:
    """Files `path.1`, `path.2` and so on; each belongs to one process as long as that lives."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file: File | None = None
        self.waiting: list[asyncio.Future[None]] = []
        """Who waits for the next sync."""
        self.syncing: list[asyncio.Future[None]] = []
        """Who waits for this one."""
        self.is_under_way = False
        self.last = 0.0
        """When the last sync was done, by the loop's clock."""
        self.pause = ALONE
        self.to_sync: SimpleQueue[int | None] = SimpleQueue()
        self.thread: threading.Thread | None = None
        self.idle: asyncio.Future[None] | None = None
        """Whoever closes waits for the last sync."""
        self.full = FULL

    def leftovers(self) -> Iterator[tuple[File, list[Entry]]]:
        """The files of processes that are gone, and what is in them; `remove` them when it is safe elsewhere."""
        try:
            for path in files_of(self.path):
                with contextlib.suppress(FileNotFoundError):
                    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
                    if is_ours(descriptor, path):
                        size = os.fstat(descriptor).st_size
                        yield File(path, descriptor), [*read(os.pread(descriptor, size, 0))]
                    else:
                        os.close(descriptor)
        except (OSError, msgspec.DecodeError) as error:
            raise StorageError(f"{self.path}.*: {error}") from error

    def open(self) -> None:
        """Begin a file; StorageError."""
        try:
            self.file = self.new()
        except OSError as error:
            raise self.refused(error) from error

    def refused(self, error: OSError) -> StorageError:
        return StorageError(f"{self.path}: {error.strerror or error}")

    def new(self) -> File:
        """Begin a file; OSError."""
        for number in count(1):
            path = self.path.with_name(f"{self.path.name}.{number}")
            try:
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
            except FileExistsError:
                continue
            if not is_ours(descriptor, path):
                os.close(descriptor)
                continue
            file = File(path, descriptor)
            try:
                file.append(MAGIC)
                sync_directory(path.parent)
            except BaseException:
                file.remove()
                raise
            return file
        raise AssertionError

    def append(self, entry: Entry) -> File:
        """The file that has it now, which counts it as left: safe from a kill, after `synced` from a power cut.

        StorageError, and then nothing was written.
        """
        if self.file is None:
            raise StorageError("closing")
        data = encoder.encode(entry)
        try:
            self.file.append(entries.framed(data))
        except OSError as error:
            raise self.refused(error) from error
        self.file.left += 1
        return self.file

    def synced(self) -> asyncio.Future[None]:
        """Done when what was appended before is on the disk; StorageError."""
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self.waiting.append(future)
        if not self.is_under_way:
            self.is_under_way = True
            # A sync costs the same for one as for many: under load, let some gather.
            if loop.time() - self.last > CALM:
                self.sync()
            else:
                loop.call_later(self.pause, self.sync)
        return future

    def sync(self) -> None:
        """Have the thread do it for all who wait; those who come meanwhile are the next group."""
        if self.thread is None:
            loop = asyncio.get_running_loop()
            # A process that ends without `close` is not to wait for it.
            self.thread = threading.Thread(target=self.work, args=(loop,), name="write-ahead", daemon=True)
            self.thread.start()
        assert self.file
        self.syncing, self.waiting = self.waiting, []
        self.to_sync.put(self.file.descriptor)

    def work(self, loop: asyncio.AbstractEventLoop) -> None:
        """The thread: an executor would cost more than the rest of it."""
        while (descriptor := self.to_sync.get()) is not None:
            failure: OSError | None = None
            try:
                os.fdatasync(descriptor)
            except OSError as error:
                failure = error
            loop.call_soon_threadsafe(self.has_synced, failure)

    def has_synced(self, failure: OSError | None) -> None:
        """Tell who waited for it, and go on with who came meanwhile."""
        done, self.syncing = self.syncing, []
        self.pause = TOGETHER if len(done) > 1 else ALONE
        for future in done:
            if future.done():
                continue
            if failure:
                future.set_exception(self.refused(failure))
            else:
                future.set_result(None)
        if self.file and self.file.size > self.full:
            self.begin_another(self.file)
        loop = asyncio.get_running_loop()
        self.last = loop.time()
        self.is_under_way = bool(self.waiting)
        if self.is_under_way:
            loop.call_later(self.pause, self.sync)
        elif self.idle:
            self.idle.set_result(None)

    def begin_another(self, before: File) -> None:
        """The full one is on the disk as it is, and goes when nothing is left of it."""
        try:
            os.fdatasync(before.descriptor)
            self.file = self.new()
        except OSError:
            return  # It grows on.
        before.finish()

    async def close(self) -> None:
        """Let go; a file that the database has all of goes."""
        if self.is_under_way:
            self.idle = asyncio.get_running_loop().create_future()
            await self.idle
        if self.thread is not None:
            self.to_sync.put(None)
            self.thread.join()
            self.thread = None
        if self.file is not None and self.file.left:
            os.close(self.file.descriptor)
        elif self.file is not None:
            self.file.remove()
        self.file = None


def files_of(path: Path) -> list[Path]:
    """The files that there are, of any process."""
    return sorted(file for file in path.parent.iterdir() if NAME.fullmatch(file.name.removeprefix(path.name)))


def accepted(path: Path) -> Iterator[Accepted]:
    """The calls in the files of all processes, those that still run among them; OSError."""
    for file in files_of(path):
        with contextlib.suppress(FileNotFoundError):
            yield from (entry for entry in read(file.read_bytes()) if isinstance(entry, Accepted))


def is_ours(descriptor: int, path: Path) -> bool:
    """Have the file for ourselves; False when another process has it, or has taken it away."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.fstat(descriptor).st_ino == path.stat().st_ino
    except (BlockingIOError, FileNotFoundError):
        return False


def sync_directory(directory: Path) -> None:
    """A file that was just made in it is there after a power cut."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(data: bytes) -> Iterator[Entry]:
    """Up to the first entry that is not whole; OSError when it is of another version."""
    if not data.startswith(MAGIC) and not MAGIC.startswith(data):
        raise OSError(None, "no log of accepted calls of this version")
    for _, said in entries.read(data, len(MAGIC)):
        yield decoder.decode(said)
