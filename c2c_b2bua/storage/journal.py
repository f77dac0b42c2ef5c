"""What has to be known of every living call should this process be killed: a file that is only ever appended to.

Written without a sync: a killed process loses nothing that is in the file, and a power cut ends all calls anyway. Each
entry is a head (length, checksum) and msgpack: calls that are dropped, and parts of what is kept of others in place of
those before. When the file has become twice as long as what the living need, these are copied to a new one, a few with
every entry.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import structlog

from c2c_b2bua.storage import entries
from c2c_b2bua.storage.entries import HEAD, encoded, framed
from c2c_b2bua.storage.mapped_file import WINDOW, MappedFile

MAGIC = b"c2c calls 4\n"
MODE = 0o600
"""What phones and trunks are asked is nobody else's business."""
SMALL = 8_000_000
"""Bytes of dead entries that are not worth copying the living for."""
STEP = 4
"""Calls copied for every one that is written: about 0.05 ms."""
REMEMBERED = 64
"""Entries: calls that began together are in the same ones, and are copied one after the other."""
MOST_PLACES = 32
"""Entries over which a call may be spread before it is written as a whole."""
LENGTH = 0xFFFFFFFF
Parts = Mapping[int, object]
"""What is kept of a call, by part: anything that msgpack can say."""
Found = dict[int, msgspec.Raw]
"""The same as it is in the file."""
Entry = tuple[list[str], dict[str, Found]]
"""Calls that are dropped, then parts of others."""

decode = msgspec.msgpack.Decoder(Entry).decode
log = structlog.get_logger()


class File(MappedFile):
    """An open file, and which of its entries the living are in: the offset of each, and its length in the last 32 bits."""

    def __init__(self, descriptor: int, size: int, window: int = WINDOW) -> None:
        super().__init__(descriptor, size, window)
        self.places: dict[str, list[int]] = {}
        self.remembered: dict[int, dict[str, Found]] = {}
        """What entries say that were read, by their places."""

    def begin(self) -> None:
        """Say what it is; OSError."""
        self.append(MAGIC)

    def write(self, dropped: Sequence[str], changed: Mapping[str, Parts]) -> None:
        """Append an entry. OSError, and then nothing was appended."""
        data = framed(encoded((dropped, changed)))
        place = self.append(data) << 32 | len(data)
        places = self.places
        for call_id in changed:
            if call_id in places:
                known = places[call_id]
                known.append(place)
                if len(known) > MOST_PLACES:
                    self.gather(call_id)
            else:
                places[call_id] = [place]

    def gather(self, call_id: str) -> None:
        """Write all that is kept of a call once more, in one place."""
        parts = self.parts(call_id)
        self.places[call_id] = []
        self.write((), {call_id: parts})

    def parts(self, call_id: str) -> Found:
        """What is kept of a call."""
        parts: Found = {}
        for place in self.places.get(call_id, ()):
            parts |= self.entry(place)[call_id]
        return parts

    def entry(self, place: int) -> dict[str, Found]:
        """What an entry says of calls."""
        found = self.remembered.get(place)
        if found is None:
            if len(self.remembered) == REMEMBERED:
                del self.remembered[next(iter(self.remembered))]
            found = self.remembered[place] = decode(self.read(place >> 32, place & LENGTH)[HEAD.size :])[1]
        return found


class Journal:
    """One file that belongs to one process at a time. `open` gives what the last one left in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.small = SMALL
        self.window = WINDOW
        self.file: File | None = None
        self.next: File | None = None
        """The file that shall take the place of the present one, while the living are copied to it."""
        self.to_copy: Iterator[str] = iter(())
        self.enough = 0
        """Bytes of the file beyond which the living are copied."""
        self.is_failing = False
        self.dropped: list[str] = []
        """Calls whose end is yet to be written."""

    def open(self) -> dict[str, Found]:
        """OSError when it cannot be had, BlockingIOError when another process has it."""
        descriptor = locked(self.path)
        try:
            data = read_all(descriptor)
            if data and not data.startswith(MAGIC):
                raise OSError(None, f"{self.path} is no journal of calls of this version")
            file = self.file = File(descriptor, 0, self.window)
            calls = replay(data, file) if data else {}
            # What a write that was cut short has left behind the last whole entry, and the room behind that.
            os.ftruncate(descriptor, file.size)
            if not data:
                file.begin()
        except BaseException:
            self.file = None
            os.close(descriptor)
            raise
        self.enough = self.small
        return calls

    def close(self) -> None:
        """Let another process have it."""
        if self.dropped:
            self.write({})
        if self.next is not None:
            self.path_of_next.unlink(missing_ok=True)
        for file in (self.file, self.next):
            if file is not None:
                file.close()
        self.file = self.next = None

    def __contains__(self, call_id: str) -> bool:
        return self.file is not None and call_id in self.file.places

    def write(self, changed: Mapping[str, Parts]) -> bool:
        """Replace parts of what is kept of calls, and drop those that are to be; False: it is not safe from a kill."""
        file = self.file
        if file is None:
            return False
        dropped, self.dropped = self.dropped, []
        try:
            file.write(dropped, changed)
        except OSError as error:
            # Calls go on: what is lost is that they would outlive a kill.
            if not self.is_failing:
                log.error("calls are not safe from a kill", journal=str(self.path), reason=str(error))
            self.is_failing = True
            self.dropped = dropped
            return False
        self.is_failing = False
        if self.next is not None or file.size > self.enough:
            self.move(file, dropped, changed)
        return True

    def drop(self, call_id: str) -> None:
        """Nothing of this call has to be known any more. That is written with what is kept next: it does no harm to know."""
        if self.file is None or self.file.places.pop(call_id, None) is None:
            return
        self.dropped.append(call_id)
        if self.next is not None:
            self.next.places.pop(call_id, None)

    # ── the living move to a new file ────────────────────────────────────────────────────────────────────────────

    @property
    def path_of_next(self) -> Path:
        return self.path.with_name(f"{self.path.name}.new")

    def move(self, file: File, dropped: Sequence[str], changed: Mapping[str, Parts]) -> None:
        """Begin; then give the new file what the old one was given, and some calls, until it takes the place of that."""
        try:
            if self.next is None:
                self.path_of_next.unlink(missing_ok=True)
                self.next = File(locked(self.path_of_next), 0, self.window)
                self.next.begin()
                self.to_copy = iter([*file.places])
                return
            self.next.write(dropped, changed)
            for _ in range(STEP * len(changed)):
                call_id = next(self.to_copy, None)
                if call_id is None:
                    self.swap(file, self.next)
                    return
                copy(call_id, file, self.next)
        except OSError as error:
            self.give_up_moving(file, error)

    def swap(self, file: File, new: File) -> None:
        self.path_of_next.rename(self.path)
        file.close()
        new.remembered.clear()
        self.file, self.next = new, None
        self.enough = 2 * new.size + self.small

    def give_up_moving(self, file: File, error: OSError) -> None:
        """The old file goes on to grow; it is tried again when it has doubled."""
        log.warning("journal not made smaller", journal=str(self.path), reason=str(error))
        if self.next is not None:
            self.path_of_next.unlink(missing_ok=True)
            self.next.close()
        self.next = None
        self.enough = 2 * file.size


def copy(call_id: str, file: File, new: File) -> None:
    """Those parts of a call that have not been written to the new file anyway."""
    known = new.parts(call_id)
    left = {part: value for part, value in file.parts(call_id).items() if part not in known}
    if left:
        new.write((), {call_id: left})


def replay(data: bytes, file: File) -> dict[str, Found]:
    """What the entries come to, up to the first that is not whole; `file` learns where they are."""
    calls: dict[str, Found] = {}
    at = len(MAGIC)
    for end, said in entries.read(data, at):
        dropped, changed = decode(said)
        for call_id in dropped:
            calls.pop(call_id, None)
            file.places.pop(call_id, None)
        for call_id, parts in changed.items():
            calls.setdefault(call_id, {}).update(parts)
            file.places.setdefault(call_id, []).append(at << 32 | end - at)
        at = end
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
