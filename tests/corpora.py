"""Messages and vectors that nobody in this project wrote; they live beside the repository and are never copied into it."""

from __future__ import annotations

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2] / "shared" / "corpora"
MESSAGES = Path(__file__).resolve().parent / "messages"


def corpus(name: str) -> Path:
    """A folder or file of the corpora; the test is skipped where they are not."""
    path = ROOT / name
    if not path.exists():
        pytest.skip(f"no corpus at {path}")
    return path


def corpus_files(folder: str, pattern: str) -> list[Path]:
    """For `parametrize`: the files, or one that is not there and will be skipped by `corpus`."""
    return sorted((ROOT / folder).glob(pattern)) or [ROOT / folder / "absent"]


def read(path: Path) -> bytes:
    if not path.exists():
        pytest.skip(f"no corpus at {path}")
    return path.read_bytes()


def golden(name: str) -> bytes:
    """One of our own messages, bytes as on the wire."""
    return (MESSAGES / name).read_bytes()
