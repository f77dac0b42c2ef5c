"""What has to be known of every living call should this process be killed: a file that is only ever appended to.

Written without a sync: a killed process loses nothing that it has given to the kernel, and a power cut ends all calls
anyway. Each entry is a head (length, checksum) and msgpack: it replaces a part of what is kept of a call, or drops the
call. When the dead outweigh the living, these are copied to a new file, a few with every entry.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec
import structlog

MAGIC = b"c2c calls 2\n"
HEAD = struct.Struct(">II")
MODE = 0o600
"""What phones and trunks are asked is nobody else's business."""
SMALL = 8_000_000
"""Bytes of dead entries that are not worth copying the living for."""
STEP = 32
"""Calls copied with every entry: about 0.1 ms."""
DROP = -1
Parts = dict[int, bytes]
"""What is kept of a call, by part."""


class Entry(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A part of a call, or with `DROP` the end of it."""

    call_id: str
    part: int
    value: bytes = b""


log = structlog.get_logger()
encoder = msgspec.msgpack.Encoder()
decoder = msgspec.msgpack.Decoder(Entry)


class File:
    """An open file and where in it the parts of each call are: (offset, length) of whole entries."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor = descriptor
        self.size = size
        self.living = 0
        """Bytes of entries that count."""
        self.places: dict[str, dict[int, tuple[int, int]]] = {}

    def write(self, data: bytes) -> int:
        """Append; where it stands. OSError, and then nothing was appended."""
        at = self.size
        try:
            written = os.pwrite(self.descriptor, data, at)
            while written < len(data):
                written += os.pwrite(self.descriptor, data[written:], at + written)
        except OSError:
            os.ftruncate(self.descriptor, at)
            raise
        self.size += len(data)
        return at

    def keep(self, call_id: str, part: int, at: int, length: int) -> None:
        places = self.places.setdefault(call_id, {})
        before = places.get(part)
        if before is not None:
            self.living -= before[1]
        places[part] = (at, length)
        self.living += length

    def drop(self, call_id: str) -> None:
        for _, length in self.places.pop(call_id, {}).values():
            self.living -= length

    @property
    def dead(self) -> int:
        return self.size - len(MAGIC) - self.living


class Journal:
    """One file that belongs to one process at a time. `open` gives what the last one left in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.small = SMALL
        self.file: File | None = None
        self.next: File | None = None
        """The file that shall take the place of the present one, while the living are copied to it."""
        self.to_copy: Iterator[str] = iter(())
        self.is_failing = False
        self.noted: dict[str, Parts] = {}
        self.dropped = b""
        """Entries that are yet to be written, as `noted` is."""

    def open(self) -> dict[str, Parts]:
        """OSError when it cannot be had, BlockingIOError when another process has it."""
        descriptor = locked(self.path)
        try:
            data = read_all(descriptor)
            if data and not data.startswith(MAGIC):
                raise OSError(None, f"{self.path} is no journal of calls of this version")
            file = self.file = File(descriptor, len(MAGIC))
            calls = replay(data, file)
            if not data:
                os.pwrite(descriptor, MAGIC, 0)
            # What a write that was cut short has left behind the last whole entry.
            os.ftruncate(descriptor, file.size)
        except BaseException:
            self.file = None
            os.close(descriptor)
            raise
        return calls

    def close(self) -> None:
        """Let another process have it."""
        self.write()
        if self.dropped:
            for _ in self.files(self.dropped):
                self.dropped = b""
        for file in (self.file, self.next):
            if file is not None:
                os.close(file.descriptor)
        if self.next is not None:
            self.path_of_next.unlink(missing_ok=True)
        self.file = self.next = None

    def __contains__(self, call_id: str) -> bool:
        return call_id in self.noted or (self.file is not None and call_id in self.file.places)

    def note(self, call_id: str, parts: Parts) -> None:
        """Have parts of what is kept of a call replaced by the next `write`."""
        if self.file is None:
            return
        noted = self.noted.get(call_id)
        if noted is None:
            self.noted[call_id] = parts
        else:
            self.noted[call_id] = noted | parts

    def write(self) -> None:
        """What was noted is safe from a kill when this returns."""
        if not self.noted:
            return
        noted, self.noted = self.noted, {}
        pieces, self.dropped = [self.dropped], b""
        places: list[tuple[str, int, int, int]] = []
        end = len(pieces[0])
        for call_id, parts in noted.items():
            for part, value in parts.items():
                entry = framed(Entry(call_id, part, value))
                pieces.append(entry)
                places.append((call_id, part, end, len(entry)))
                end += len(entry)
        for file in self.files(b"".join(pieces)):
            start = file.size - end
            for call_id, part, at, length in places:
                file.keep(call_id, part, start + at, length)
        self.copy_some(STEP * len(places))

    def keep(self, call_id: str, parts: Parts) -> None:
        """Replace parts of what is kept of a call; they are safe from a kill when this returns."""
        self.note(call_id, parts)
        self.write()

    def drop(self, call_id: str) -> None:
        """Nothing of this call has to be known any more. That is written with what is kept next: it does no harm to know."""
        self.noted.pop(call_id, None)
        if self.file is None or call_id not in self.file.places:
            return
        self.dropped += framed(Entry(call_id, DROP))
        for file in (self.file, self.next):
            if file is not None:
                file.drop(call_id)

    def files(self, data: bytes) -> Iterator[File]:
        """Append to the file, and to the one that shall take its place; those that took it."""
        if self.file is None:
            return
        try:
            self.file.write(data)
        except OSError as error:
            # Calls go on: what is lost is that they would outlive a kill.
            if not self.is_failing:
                log.error("calls are not safe from a kill", journal=str(self.path), reason=str(error))
            self.is_failing = True
            return
        self.is_failing = False
        yield self.file
        if self.next is not None:
            try:
                self.next.write(data)
            except OSError as error:
                self.give_up_copying(error)
                return
            yield self.next

    # ── the living move to a new file ────────────────────────────────────────────────────────────────────────────

    @property
    def path_of_next(self) -> Path:
        return self.path.with_name(f"{self.path.name}.new")

    def copy_some(self, most: int) -> None:
        """Begin when it is worth it; then `most` calls at a time, until the new file takes the place of the old one."""
        file = self.file
        if file is None:
            return
        try:
            if self.next is None:
                if file.dead < max(self.small, file.living):
                    return
                self.path_of_next.unlink(missing_ok=True)
                self.next = File(locked(self.path_of_next), 0)
                self.next.write(MAGIC)
                self.to_copy = iter([*file.places])
                return
            for _ in range(most):
                call_id = next(self.to_copy, None)
                if call_id is None:
                    self.swap(file, self.next)
                    return
                self.copy(call_id, file, self.next)
        except OSError as error:
            self.give_up_copying(error)

    def copy(self, call_id: str, file: File, new: File) -> None:
        """Those of its entries that have not been written to the new file anyway."""
        for part, (at, length) in file.places.get(call_id, {}).items():
            if part not in new.places.get(call_id, {}):
                new.keep(call_id, part, new.write(os.pread(file.descriptor, length, at)), length)

    def swap(self, file: File, new: File) -> None:
        self.path_of_next.rename(self.path)
        os.close(file.descriptor)
        self.file, self.next = new, None

    def give_up_copying(self, error: OSError) -> None:
        """The old file goes on to grow; it is tried again when it has doubled."""
        log.warning("journal not made smaller", journal=str(self.path), reason=str(error))
        if self.next is not None:
            os.close(self.next.descriptor)
            self.path_of_next.unlink(missing_ok=True)
        self.next = None
        if self.file is not None:
            self.small = 2 * self.file.dead


def framed(entry: Entry) -> bytes:
    data = encoder.encode(entry)
    return HEAD.pack(len(data), zlib.adler32(data)) + data


def replay(data: bytes, file: File) -> dict[str, Parts]:
    """What the entries come to, up to the first that is not whole; `file` learns where they are."""
    calls: dict[str, Parts] = {}
    at = len(MAGIC)
    while len(data) - at > HEAD.size:
        length, checksum = HEAD.unpack_from(data, at)
        start = at + HEAD.size
        written = data[start : start + length]
        if not length or len(written) < length or zlib.adler32(written) != checksum:
            break
        entry = decoder.decode(written)
        if entry.part == DROP:
            calls.pop(entry.call_id, None)
            file.drop(entry.call_id)
        else:
            calls.setdefault(entry.call_id, {})[entry.part] = entry.value
            file.keep(entry.call_id, entry.part, at, HEAD.size + length)
        at = start + length
    file.size = at
    return calls


def locked(path: Path) -> int:
    """Open the file, or make it, and have it for ourselves; BlockingIOError when another process has it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            ours, there = os.fstat(descriptor), path.stat()
        except FileNotFoundError:
            os.close(descriptor)
            continue
        except OSError:
            os.close(descriptor)
            raise
        if ours.st_ino == there.st_ino:
            return descriptor
        # Another process has put a new file in its place, and let go of the old one.
        os.close(descriptor)


def read_all(descriptor: int) -> bytes:
    """The whole file."""
    size = os.fstat(descriptor).st_size
    pieces = []
    at = 0
    while at < size and (piece := os.pread(descriptor, size - at, at)):
        pieces.append(piece)
        at += len(piece)
    return b"".join(pieces)
