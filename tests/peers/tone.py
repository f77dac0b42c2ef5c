"""Tones: made, and found again in a recording (Goertzel's algorithm), so that two-way audio can be proved."""

from __future__ import annotations

import math
import struct
import wave
from array import array
from collections.abc import Sequence
from pathlib import Path

RATE = 8000
"""Samples per second, everywhere here."""
WINDOW = RATE // 2
"""Half a second: long enough to tell tones a few hertz apart, short enough to be heard soon."""
PRESENT = 0.5
"""Share of the energy at which a tone is the tone; G.711 leaves a pure one above 0.95."""


def tone(frequency: float, seconds: float, amplitude: float = 0.5) -> array[int]:
    """A sine as 16-bit samples."""
    step = 2 * math.pi * frequency / RATE
    return array("h", (round(32767 * amplitude * math.sin(step * n)) for n in range(int(RATE * seconds))))


def write_wav(path: Path, samples: array[int]) -> None:
    """16-bit mono."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples.tobytes())


def read_wav(path: Path) -> array[int]:
    """The samples of a 16-bit mono WAV that may still be being written: sizes in its header are not believed."""
    data = path.read_bytes()
    position = 12
    while position + 8 <= len(data):
        name, size = data[position : position + 4], struct.unpack_from("<I", data, position + 4)[0]
        if name == b"data":
            body = data[position + 8 :]
            return array("h", body[: len(body) // 2 * 2])
        position += 8 + size + size % 2
    return array("h")


def share(samples: Sequence[int], frequency: float) -> float:
    """How much of the energy is at `frequency`: 0 (none, or silence) to 1 (a pure tone)."""
    energy = sum(sample * sample for sample in samples)
    if not energy:
        return 0.0
    coefficient = 2 * math.cos(2 * math.pi * frequency / RATE)
    before = last = 0.0
    for sample in samples:
        before, last = last, sample + coefficient * last - before
    power = last * last + before * before - coefficient * last * before
    return min(1.0, 2 * power / (len(samples) * energy))


def is_heard(samples: Sequence[int], frequency: float) -> bool:
    """Whether some half second of a recording is this tone."""
    windows = range(0, len(samples) - WINDOW + 1, WINDOW)
    return any(share(samples[start : start + WINDOW], frequency) >= PRESENT for start in windows)
