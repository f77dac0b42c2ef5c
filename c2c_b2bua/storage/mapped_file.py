"""A file that is appended to through memory: without a call of the kernel, and yet what it was given outlives the process.

Room is had from the file system before anything is written to it: a full disk is an OSError, and not the end of the process.
"""

from __future__ import annotations

import os
from mmap import ALLOCATIONGRANULARITY, mmap

WINDOW = 1 << 20
"""Bytes that are had at a time; what is behind them is not in memory on our account."""


class MappedFile:
    """An open file of `size` bytes, with room behind them that reads as zeros. OSError when the file system has no such."""

    def __init__(self, descriptor: int, size: int, window: int = WINDOW) -> None:
        self.descriptor = descriptor
        self.size = size
        self.window = window
        self.start = self.end = 0
        """The part of the file that is in memory."""
        self.memory: mmap | None = None

    def room(self, length: int) -> tuple[mmap, int]:
        """Memory that has room for so many bytes behind the last, and where in it; they count once `size` says so. OSError."""
        at = self.size
        if at + length > self.end:
            self.move(at, at + length)
        assert self.memory is not None
        return self.memory, at - self.start

    def move(self, at: int, end: int) -> None:
        """Have room for what lies between the two, and more."""
        start = at // ALLOCATIONGRANULARITY * ALLOCATIONGRANULARITY
        length = max(self.window, end - start)
        os.posix_fallocate(self.descriptor, start, length)
        memory = mmap(self.descriptor, length, offset=start)
        if self.memory is not None:
            self.memory.close()
        self.memory, self.start, self.end = memory, start, start + length

    def read(self, at: int, length: int) -> bytes:
        return os.pread(self.descriptor, length, at)

    def close(self) -> None:
        """Give back the room that is left, and the file."""
        if self.memory is not None:
            self.memory.close()
            self.memory = None
        os.ftruncate(self.descriptor, self.size)
        os.close(self.descriptor)
