"""Recordings of calls on the disk: whole, few enough, nobody else's business, and never a reason to fail."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from c2c_b2bua.storage import recordings as module
from c2c_b2bua.storage.recordings import Recordings


def kept(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_a_call_is_a_file_of_its_lines_that_nobody_else_reads(tmp_path: Path) -> None:
    recordings = Recordings(tmp_path / "new" / "replays", 10)
    for line in (b"1", b"2", b"3"):
        recordings.keep("c2c-1", line, line == b"3")
    recordings.keep("../c2c/2", b"other", True)
    recordings.close()
    directory = tmp_path / "new" / "replays"
    assert kept(directory) == {"c2c-1.jsonl": b"1\n2\n3\n", "_._c2c_2.jsonl": b"other\n"}
    assert {path.stat().st_mode & 0o777 for path in directory.iterdir()} == {0o600}
    assert directory.stat().st_mode & 0o777 == 0o700


def test_only_the_latest_calls_are_kept_over_a_restart_too(tmp_path: Path) -> None:
    for start in (0, 4):
        recordings = Recordings(tmp_path, 3)
        for number in range(start, start + 4):
            recordings.keep(f"c2c-{number}", b"x", True)
        recordings.close()
    assert sorted(kept(tmp_path)) == ["c2c-5.jsonl", "c2c-6.jsonl", "c2c-7.jsonl"]


def test_a_file_does_not_grow_without_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LONGEST", 100)
    recordings = Recordings(tmp_path, 3)
    for number in range(50):
        recordings.keep("c2c-1", b"%09d" % number, number == 49)
    recordings.close()
    assert kept(tmp_path) == {"c2c-1.jsonl": b"".join(b"%09d\n" % number for number in range(10))}


def test_a_full_disk_loses_the_recording_and_is_said_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_arguments: Any) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    recordings = Recordings(tmp_path, 9)
    with capture_logs() as logs, monkeypatch.context() as broken:
        broken.setattr(module.os, "write", full)
        for number in range(6):
            recordings.keep(f"c2c-{number % 3}", b"x", False)
        recordings.close()
    assert [(entry["event"], entry["reason"]) for entry in logs] == [
        ("recordings of calls are lost", "No space left on device")
    ]
    again = Recordings(tmp_path, 9)
    again.keep("c2c-9", b"x", True)
    again.close()
    assert kept(tmp_path)["c2c-9.jsonl"] == b"x\n"


def test_what_misses_a_line_is_not_gone_on_with(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", -1)
    recordings = Recordings(tmp_path, 3)
    with capture_logs() as logs:
        recordings.keep("c2c-1", b"too much", False)
        recordings.keep("c2c-1", b"", True)
        recordings.close()
    assert [entry["reason"] for entry in logs] == ["the disk is too slow"]
    assert kept(tmp_path) == {}


def test_a_directory_that_cannot_be_had_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=f"cannot keep replays in {tmp_path}/file/replays: Not a directory"):
        Recordings(tmp_path / "file" / "replays", 3)
