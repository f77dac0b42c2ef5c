"""What has to be known of every living call should this process be killed: a file that is only ever appended to.

Written without a sync: a killed process loses nothing that it has given to the kernel, and a power cut ends all calls
anyway. Each entry is a head (length, checksum) and msgpack: calls that are dropped, and parts of what is kept of others in
place of those before. When the dead outweigh the living, these are copied to a new file, a few with every entry.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import structlog

MAGIC = b"c2c calls 3\n"
HEAD = struct.Struct(">II")
MODE = 0o600
"""What phones and trunks are asked is nobody else's business."""
SMALL = 8_000_000
"""Bytes of dead entries that are not worth copying the living for."""
STEP = 8
"""Calls copied with every part that is written: about 0.1 ms."""
LENGTH = 0xFFFFFFFF
Parts = dict[int, bytes]
"""What is kept of a call, by part."""
Entry = tuple[list[str], dict[str, Parts]]
"""Calls that are dropped, then parts of others."""

encode = msgspec.msgpack.Encoder().encode
decode = msgspec.msgpack.Decoder(Entry).decode
log = structlog.get_logger()


class File:
    """An open file and which entry each part is in: its offset, and its length in the last 32 bits."""

    def __init__(self, descriptor: int, size: int) -> None:
        self.descriptor = descriptor
        self.size = size
        self.written = 0
        """Parts, of the living and of the dead."""
        self.living = 0
        """Parts that count."""
        self.places: dict[str, dict[int, int]] = {}

    def write(self, data: bytes) -> int:
        """Append; where it stands. OSError, and then nothing was appended."""
        at, size = self.size, len(data)
        try:
            written = os.pwrite(self.descriptor, data, at)
            while written < size:
                written += os.pwrite(self.descriptor, data[written:], at + written)
        except OSError:
            os.ftruncate(self.descriptor, at)
            raise
        self.size = at + size
        return at

    def keep(self, noted: dict[str, Parts], at: int, length: int) -> None:
        """The entry there has these parts."""
        known, place = self.places, at << 32 | length
        for call_id, parts in noted.items():
            places = known.get(call_id)
            if places is None:
                places = known[call_id] = {}
            before = len(places)
            places.update(dict.fromkeys(parts, place))
            self.living += len(places) - before
            self.written += len(parts)

    def drop(self, call_id: str) -> None:
        self.living -= len(self.places.pop(call_id, ()))

    def parts(self, call_id: str) -> Parts:
        """What is kept of a call."""
        places = self.places.get(call_id, {})
        entries = {
            place: decode(os.pread(self.descriptor, place & LENGTH, place >> 32)[HEAD.size :])[1]
            for place in {*places.values()}
        }
        return {part: entries[place][call_id][part] for part, place in places.items()}

    @property
    def dead(self) -> int:
        """Bytes, as far as one part is as long as another."""
        return self.size * (self.written - self.living) // max(1, self.written)


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
        self.dropped: list[str] = []
        """Calls whose end is yet to be written, as `noted` is."""

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
        self.write(self.dropped)
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

    def write(self, dropped: Sequence[str] = ()) -> None:
        """What was noted is safe from a kill when this returns; so is the end of calls, if there is more to write."""
        noted = self.noted
        if not (noted or dropped):
            return
        dropped = self.dropped
        self.noted = {}
        if dropped:
            self.dropped = []
        data = framed(dropped, noted)
        file = self.append(data)
        if file is not None:
            length = len(data)
            file.keep(noted, file.size - length, length)
            if self.next is not None:
                self.append_to_next(self.next, noted, data)
            if self.next is not None or (file.written >= 2 * file.living and file.dead >= self.small):
                self.copy_some(STEP * sum(map(len, noted.values())))

    def keep(self, call_id: str, parts: Parts) -> None:
        """Replace parts of what is kept of a call; they are safe from a kill when this returns."""
        self.note(call_id, parts)
        self.write()

    def drop(self, call_id: str) -> None:
        """Nothing of this call has to be known any more. That is written with what is kept next: it does no harm to know."""
        self.noted.pop(call_id, None)
        if self.file is None or call_id not in self.file.places:
            return
        self.dropped.append(call_id)
        for file in (self.file, self.next):
            if file is not None:
                file.drop(call_id)

    def append(self, data: bytes) -> File | None:
        """The file, when it has taken this."""
        file = self.file
        if file is None:
            return None
        try:
            file.write(data)
        except OSError as error:
            # Calls go on: what is lost is that they would outlive a kill.
            if not self.is_failing:
                log.error("calls are not safe from a kill", journal=str(self.path), reason=str(error))
            self.is_failing = True
            return None
        self.is_failing = False
        return file

    def append_to_next(self, file: File, noted: dict[str, Parts], data: bytes) -> None:
        """The file that shall take the place of the other one has what is written meanwhile."""
        try:
            file.keep(noted, file.write(data), len(data))
        except OSError as error:
            self.give_up_copying(error)

    # ── the living move to a new file ────────────────────────────────────────────────────────────────────────────

    @property
    def path_of_next(self) -> Path:
        return self.path.with_name(f"{self.path.name}.new")

    def copy_some(self, most: int) -> None:
        """Begin, when it is worth it; then `most` calls at a time, until the new file takes the place of the old one."""
        file = self.file
        if file is None:
            return
        try:
            if self.next is None:
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
        """Those of its parts that have not been written to the new file anyway."""
        known = new.places.get(call_id, {})
        left = {call_id: {part: value for part, value in file.parts(call_id).items() if part not in known}}
        if left[call_id]:
            data = framed((), left)
            new.keep(left, new.write(data), len(data))

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


def framed(dropped: Sequence[str], noted: dict[str, Parts]) -> bytes:
    data = encode((dropped, noted))
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
        dropped, noted = decode(written)
        for call_id in dropped:
            calls.pop(call_id, None)
            file.drop(call_id)
        for call_id, parts in noted.items():
            calls.setdefault(call_id, {}).update(parts)
        file.keep(noted, at, HEAD.size + length)
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
