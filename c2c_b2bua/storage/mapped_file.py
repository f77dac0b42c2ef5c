"""A file that is appended to through memory: without a call of the kernel, and yet what it was given outlives the process.

Room is had from the file system before anything is written to it: a full disk is an OSError, and not the end of the process.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from mmap import ALLOCATIONGRANULARITY, mmap

WINDOW = 1 << 20
"""Bytes that are had at a time; what is behind them is not in memory on our account."""


class MappedFile:
    """An open file of `size` bytes, with room behind them that reads as zeros. OSError when the file system has no such."""

    def __init__(self, descriptor: int, size: int, window: int = WINDOW) -> None:
        self.descriptor = descriptor
        self.size = size
        self.window = window
        self.end = 0
        """Of the part of the file that is in memory."""
        self.memory: mmap | None = None
        self.put: Callable[[bytes], int]
        """Writes to memory, behind what it has written before."""

    def append(self, data: bytes) -> int:
        """Where in the file it is now. OSError, and then nothing was appended."""
        at = self.size
        end = at + len(data)
        if end > self.end:
            self.move(at, end)
        self.put(data)
        self.size = end
        return at

    def move(self, at: int, end: int) -> None:
        """Have room for what lies between the two, and more."""
        start = at // ALLOCATIONGRANULARITY * ALLOCATIONGRANULARITY
        length = max(self.window, end - start)
        os.posix_fallocate(self.descriptor, start, length)
        memory = mmap(self.descriptor, length, offset=start)
        memory.seek(at - start)
        if self.memory is not None:
            self.memory.close()
        self.memory, self.put, self.end = memory, memory.write, start + length

    def read(self, at: int, length: int) -> bytes:
        return os.pread(self.descriptor, length, at)

    def close(self) -> None:
        """Give back the room that is left, and the file."""
        if self.memory is not None:
            self.memory.close()
            self.memory = None
        os.ftruncate(self.descriptor, self.size)
        os.close(self.descriptor)
