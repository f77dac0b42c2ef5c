"""What is kept of calls outlives a kill: whole entries, the last of each part, in a file that does not grow for ever."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from c2c_b2bua.storage.journal import HEAD, MAGIC, Journal, Parts


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls"


@pytest.fixture
def opened(path: Path) -> Iterator[Callable[[], tuple[Journal, dict[str, Parts]]]]:
    """Opens the journal, and closes it at the end."""
    journals: list[Journal] = []

    def open_it() -> tuple[Journal, dict[str, Parts]]:
        for journal in journals:
            journal.close()
        journals.append(Journal(path))
        return journals[-1], journals[-1].open()

    yield open_it
    for journal in journals:
        journal.close()


Opened = Callable[[], tuple[Journal, dict[str, Parts]]]


def test_what_was_kept_is_there_again(opened: Opened) -> None:
    journal, found = opened()
    assert found == {}
    journal.keep("one", {0: b"order 1"})
    journal.keep("one", {1: b"state 1"})
    journal.keep("two", {0: b"order 2"})
    journal.keep("one", {1: b"state 2"})
    journal.keep("three", {0: b"order 3"})
    journal.drop("two")
    journal.drop("nobody")
    _, found = opened()
    assert found == {"one": {0: b"order 1", 1: b"state 2"}, "three": {0: b"order 3"}}


def test_notes_are_written_together(path: Path, opened: Opened) -> None:
    journal, _ = opened()
    journal.keep("one", {0: b"order 1", 1: b"state 1"})
    size = path.stat().st_size
    journal.note("one", {1: b"state 2"})
    journal.note("two", {0: b"order 2"})
    journal.note("gone", {0: b"order 3"})
    journal.note("one", {1: b"state 3", 2: b"record 1"})
    assert "two" in journal and "gone" in journal
    journal.drop("gone")
    assert "gone" not in journal
    assert path.stat().st_size == size
    journal.write()
    assert b"state 3" in path.read_bytes() and b"state 2" not in path.read_bytes()
    expected = {"one": {0: b"order 1", 1: b"state 3", 2: b"record 1"}, "two": {0: b"order 2"}}
    assert opened()[1] == expected
    journal, _ = opened()
    journal.note("one", {1: b"state 4"})
    journal.drop("one")
    assert opened()[1] == {"two": {0: b"order 2"}}


def test_notes_are_written_when_it_is_closed(opened: Opened) -> None:
    opened()[0].note("one", {0: b"order 1"})
    assert opened()[1] == {"one": {0: b"order 1"}}


def test_a_killed_process_loses_nothing(path: Path, opened: Opened) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from c2c_b2bua.storage.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1])); journal.open()\n"
        "journal.keep('one', {0: b'kept'}); os.kill(os.getpid(), signal.SIGKILL)"
    )
    killed = subprocess.run([sys.executable, "-c", script, str(path)], check=False)
    assert killed.returncode == -9
    assert opened()[1] == {"one": {0: b"kept"}}


def test_only_its_owner_may_read_it(path: Path, opened: Opened) -> None:
    opened()
    assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("cut", [1, HEAD.size - 1, HEAD.size, HEAD.size + 3, -1])
def test_an_entry_cut_short_is_as_if_it_had_never_been(path: Path, opened: Opened, cut: int) -> None:
    journal, _ = opened()
    journal.keep("one", {0: b"whole"})
    whole = path.stat().st_size
    journal.keep("one", {0: b"cut short"})
    journal.close()
    size = path.stat().st_size
    os.truncate(path, whole + cut if cut > 0 else size + cut)
    journal, found = opened()
    assert found == {"one": {0: b"whole"}}
    journal.keep("two", {0: b"after it"})
    assert opened()[1] == {"one": {0: b"whole"}, "two": {0: b"after it"}}


@pytest.mark.parametrize("tail", [bytes(4096), b"\xff" * 300])
def test_a_tail_of_rubbish_is_cut_off(path: Path, opened: Opened, tail: bytes) -> None:
    journal, _ = opened()
    journal.keep("one", {0: b"whole"})
    journal.close()
    with path.open("ab") as file:
        file.write(tail)
    journal, found = opened()
    assert found == {"one": {0: b"whole"}}
    journal.keep("one", {0: b"newer"})
    assert opened()[1] == {"one": {0: b"newer"}}


def test_another_process_cannot_have_it(path: Path, opened: Opened) -> None:
    journal, _ = opened()
    other = Journal(path)
    with pytest.raises(BlockingIOError):
        other.open()
    journal.close()
    assert other.open() == {}
    other.close()


def test_a_file_of_another_kind_is_left_alone(path: Path, opened: Opened) -> None:
    path.write_bytes(b"somebody's letters")
    with pytest.raises(OSError, match="no journal of calls"):
        opened()
    assert path.read_bytes() == b"somebody's letters"


def test_it_does_not_grow_for_ever(path: Path, opened: Opened) -> None:
    journal, _ = opened()
    journal.small = 20_000
    living = {f"call {number}": {0: b"x" * 100, 1: b""} for number in range(100)}
    for call_id in living:
        journal.keep(call_id, {0: b"x" * 100})
    sizes = []
    for step in range(20_000):
        call_id = f"call {step % 100}"
        living[call_id][1] = b"%d" % step
        journal.keep(call_id, {1: living[call_id][1]})
        if step % 7 == 0:
            journal.keep(f"brief {step}", {0: b"y" * 50})
            journal.drop(f"brief {step}")
        sizes.append(path.stat().st_size)
    assert max(sizes) < 100_000, "several megabytes were written"
    assert sum(after < before for before, after in pairwise(sizes)) > 20, "it was seldom made smaller"
    assert opened()[1] == living
    assert not path.with_name("calls.new").exists()


def test_a_kill_while_it_is_made_smaller_loses_nothing(path: Path, opened: Opened) -> None:
    journal, _ = opened()
    journal.small = 0
    for number in range(200):
        journal.keep(f"call {number}", {0: b"old"})
    for number in range(200):
        journal.keep(f"call {number}", {0: b"new"})
        if journal.next is not None:
            break
    assert journal.next
    journal.drop("call 3")
    journal.keep("call 199", {0: b"newest"})
    # As a kill leaves it: nothing is tidied up.
    os.close(journal.next.descriptor)
    journal.next = None
    _, found = opened()
    assert found["call 199"] == {0: b"newest"} and "call 3" not in found
    assert found["call 0"] == {0: b"new"} and len(found) == 199


def test_who_waits_for_it_gets_the_new_file(path: Path, opened: Opened) -> None:
    """A process that opened the old file just before it was replaced must not believe that it has the journal."""
    journal, _ = opened()
    journal.small = 0
    old = path.stat().st_ino
    while path.stat().st_ino == old:
        journal.keep("one", {0: b"again and again"})
    with pytest.raises(BlockingIOError):
        Journal(path).open()


def test_a_full_disk_stops_no_call(opened: Opened, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    journal, _ = opened()
    journal.keep("one", {0: b"kept"})
    write = os.pwrite

    def refuse(descriptor: int, data: bytes, at: int) -> int:
        if len(data) > 10:
            return write(descriptor, data[:10], at)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", refuse)
    journal.keep("one", {0: b"refused"})
    journal.keep("two", {0: b"refused"})
    journal.drop("one")
    monkeypatch.undo()
    journal.keep("three", {0: b"kept again"})
    assert opened()[1] == {"three": {0: b"kept again"}}
    assert path.read_bytes().startswith(MAGIC)
