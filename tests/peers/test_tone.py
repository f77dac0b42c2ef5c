"""The ear of the phone tests hears what is there, and nothing else."""

from __future__ import annotations

import random
from array import array
from pathlib import Path

import pytest

from .tone import RATE, is_heard, read_wav, share, tone, write_wav


def test_a_pure_tone_is_all_of_the_energy() -> None:
    assert share(tone(440, 0.5), 440) > 0.99


@pytest.mark.parametrize("other", [220, 430, 450, 880, 1320])
def test_another_tone_is_none_of_it(other: float) -> None:
    assert share(tone(other, 0.5), 440) < 0.05
    assert not is_heard(tone(other, 2), 440)


def test_silence_and_noise_are_no_tone() -> None:
    chance = random.Random(1)
    assert not is_heard(array("h", bytes(2 * RATE)), 440)
    assert not is_heard(array("h", (chance.randint(-9000, 9000) for _ in range(RATE))), 440)
    assert not is_heard(array("h"), 440)


def test_a_tone_is_heard_after_silence_and_in_noise() -> None:
    chance = random.Random(2)
    noisy = array("h", (sample + chance.randint(-3000, 3000) for sample in tone(880, 1)))
    assert is_heard(array("h", bytes(2 * RATE)) + noisy, 880)


def test_less_than_half_a_second_is_not_enough() -> None:
    assert not is_heard(tone(440, 0.4), 440)


def test_a_recording_is_read_as_it_was_written_even_unfinished(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    written = tone(440, 1)
    write_wav(path, written)
    assert read_wav(path) == written
    path.write_bytes(path.read_bytes()[:40] + bytes(4) + path.read_bytes()[44:-3])
    assert read_wav(path) == written[:-2]
    path.write_bytes(b"RIFF")
    assert not read_wav(path)
