"""One file for each recorded call, written by a thread of its own: a slow or full disk costs the recording, never the call."""

from __future__ import annotations

import errno
import os
import re
import threading
from pathlib import Path
from queue import SimpleQueue

import structlog

MODE = 0o600
"""What phones say to each other is nobody else's business."""
LONGEST = 1_000_000
"""Bytes of one file; what comes after them is not kept."""
MOST_WAITING = 10_000_000
"""Bytes that may wait for the disk; beyond them recordings are lost."""
SUFFIX = ".jsonl"
UNSAFE = re.compile(r"[^\w.-]|^\.")

log = structlog.get_logger()


class Recordings:
    """The files of the latest `most` calls in a directory; OSError when there can be none."""

    def __init__(self, directory: Path, most: int) -> None:
        self.directory = directory
        self.most = most
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise OSError(error.errno, f"cannot keep replays in {directory}: {error.strerror}") from error
        if not os.access(directory, os.W_OK | os.X_OK):
            raise OSError(errno.EACCES, f"cannot keep replays in {directory}: {os.strerror(errno.EACCES)}")
        by_age = sorted(directory.glob(f"*{SUFFIX}"), key=lambda path: path.stat().st_mtime)
        self.sizes: dict[str, int] = {path.stem: path.stat().st_size for path in by_age}
        """Name of a file -> its bytes, oldest first."""
        self.lost: set[str] = set()
        """Calls whose recording is not whole, and so is over."""
        self.is_failing = False
        self.given = self.done = 0
        """Bytes that were handed in, and those that the disk has had; each counted by one thread."""
        self.lines: SimpleQueue[tuple[str, bytes, bool] | None] = SimpleQueue()
        self.writer = threading.Thread(target=self.write_all, name="recordings", daemon=True)
        self.writer.start()

    def keep(self, call_id: str, line: bytes, is_last: bool) -> None:
        """Have the next line of a call written."""
        if self.given - self.done > MOST_WAITING:
            line = b""
        self.given += len(line)
        self.lines.put((UNSAFE.sub("_", call_id), line, is_last))

    def close(self, patience: float = 5.0) -> None:
        """Write what is waiting."""
        self.lines.put(None)
        self.writer.join(patience)

    # ── on the thread ────────────────────────────────────────────────────────────────────────────────────────────

    def write_all(self) -> None:
        while (item := self.lines.get()) is not None:
            name, line, is_last = item
            self.done += len(line)
            try:
                self.write(name, line)
            except OSError as error:
                self.lose(name, error.strerror or str(error))
            else:
                self.is_failing = self.is_failing and name in self.lost
            if is_last:
                self.lost.discard(name)

    def write(self, name: str, line: bytes) -> None:
        """Append a line, unless one before it is missing."""
        if name in self.lost:
            return
        if not line:
            self.lose(name, "the disk is too slow")
            return
        if name not in self.sizes:
            self.make_room()
            self.sizes[name] = 0
        if self.sizes[name] + len(line) >= LONGEST:
            self.lost.add(name)
            return
        descriptor = os.open(self.path(name), os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, MODE)
        try:
            if os.write(descriptor, line + b"\n") <= len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        finally:
            os.close(descriptor)
        self.sizes[name] += len(line) + 1

    def make_room(self) -> None:
        """Remove the oldest files, of which there are too many with one more."""
        while len(self.sizes) >= self.most:
            oldest = next(iter(self.sizes))
            del self.sizes[oldest]
            self.path(oldest).unlink(missing_ok=True)

    def lose(self, name: str, reason: str) -> None:
        """The recording of a call ends here; said once, until the disk takes one again."""
        self.lost.add(name)
        if not self.is_failing:
            self.is_failing = True
            log.warning("recordings of calls are lost", directory=str(self.directory), reason=reason)

    def path(self, name: str) -> Path:
        return self.directory / f"{name}{SUFFIX}"
