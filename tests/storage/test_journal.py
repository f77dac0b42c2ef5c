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
from msgspec.msgpack import decode

from c2c_b2bua.storage.entries import HEAD
from c2c_b2bua.storage.journal import MAGIC, MOST_PLACES, File, Journal
from c2c_b2bua.storage.mapped_file import WINDOW

Opened = Callable[..., tuple[Journal, dict[str, dict[int, object]]]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "calls"


@pytest.fixture
def opened(path: Path) -> Iterator[Opened]:
    """Opens the journal, and closes it at the end."""
    journals: list[Journal] = []

    def open_it(window: int = WINDOW) -> tuple[Journal, dict[str, dict[int, object]]]:
        for journal in journals:
            journal.close()
        journals.append(Journal(path))
        journals[-1].window = window
        found = journals[-1].open()
        return journals[-1], {
            call_id: {part: decode(raw) for part, raw in parts.items()} for call_id, parts in found.items()
        }

    yield open_it
    for journal in journals:
        journal.close()


def let_go(file: File) -> None:
    """What becomes of an open file when its process is killed."""
    assert file.memory is not None
    file.memory.close()
    os.close(file.descriptor)


def size_of(journal: Journal) -> int:
    """Bytes that were written, without the room behind them."""
    assert journal.file
    return journal.file.size


def test_what_was_kept_is_there_again(opened: Opened) -> None:
    journal, found = opened()
    assert found == {}
    journal.write({"one": {0: b"order 1"}})
    journal.write({"one": {1: b"state 1"}})
    journal.write({"two": {0: b"order 2"}})
    journal.write({"one": {1: b"state 2"}})
    journal.write({"three": {0: b"order 3"}})
    journal.drop("two")
    journal.drop("nobody")
    _, found = opened()
    assert found == {"one": {0: b"order 1", 1: b"state 2"}, "three": {0: b"order 3"}}


def test_calls_are_written_together(opened: Opened) -> None:
    journal, _ = opened()
    journal.write({"one": {0: b"order 1", 1: b"state 1"}})
    journal.write({"one": {1: b"state 2"}, "two": {0: b"order 2"}})
    journal.drop("one")
    assert "one" not in journal and "two" in journal
    journal.write({"one": {0: b"order 3"}, "three": {0: {"order": [4, None]}}})
    expected = {"one": {0: b"order 3"}, "two": {0: b"order 2"}, "three": {0: {"order": [4, None]}}}
    assert opened()[1] == expected


def test_that_a_call_is_over_is_written_when_it_is_closed(opened: Opened) -> None:
    journal, _ = opened()
    journal.write({"one": {0: b"order 1"}})
    journal.drop("one")
    assert opened()[1] == {}


def test_a_killed_process_loses_nothing(path: Path, opened: Opened) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; from c2c_b2bua.storage.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1])); journal.open()\n"
        "journal.write({'one': {0: b'kept'}}); os.kill(os.getpid(), signal.SIGKILL)"
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
    journal.write({"one": {0: b"whole"}})
    whole = size_of(journal)
    journal.write({"one": {0: b"cut short"}})
    journal.close()
    size = path.stat().st_size
    os.truncate(path, whole + cut if cut > 0 else size + cut)
    journal, found = opened()
    assert found == {"one": {0: b"whole"}}
    journal.write({"two": {0: b"after it"}})
    assert opened()[1] == {"one": {0: b"whole"}, "two": {0: b"after it"}}


@pytest.mark.parametrize("tail", [bytes(4096), b"\xff" * 300])
def test_a_tail_of_rubbish_is_cut_off(path: Path, opened: Opened, tail: bytes) -> None:
    journal, _ = opened()
    journal.write({"one": {0: b"whole"}})
    journal.close()
    with path.open("ab") as file:
        file.write(tail)
    journal, found = opened()
    assert found == {"one": {0: b"whole"}}
    journal.write({"one": {0: b"newer"}})
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
    journal, _ = opened(4096)
    journal.small = journal.enough = 20_000
    living = {f"call {number}": {0: b"x" * 100, 1: b""} for number in range(100)}
    for call_id in living:
        journal.write({call_id: {0: b"x" * 100}})
    sizes = []
    for step in range(20_000):
        call_id = f"call {step % 100}"
        living[call_id][1] = b"%d" % step
        journal.write({call_id: {1: living[call_id][1]}})
        if step % 7 == 0:
            journal.write({f"brief {step}": {0: b"y" * 50}})
            journal.drop(f"brief {step}")
        sizes.append(size_of(journal))
        assert path.stat().st_size <= sizes[-1] + 2 * 4096
    assert max(sizes) < 100_000, "several megabytes were written"
    assert sum(after < before for before, after in pairwise(sizes)) > 20, "it was seldom made smaller"
    assert opened()[1] == living
    assert not path.with_name("calls.new").exists()


def test_what_says_something_of_many_calls_is_read_once_for_all(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For each of them again it takes, where many come together, longer than all they do."""
    journal, _ = opened()
    calls = [f"call {number}" for number in range(1000)]
    for at in range(0, len(calls), 50):
        for part in range(3):
            journal.write({call_id: {part: call_id} for call_id in calls[at : at + 50]})
    old, end, read = journal.file, size_of(journal), File.read
    read_at: list[int] = []

    def noted(file: File, at: int, length: int) -> bytes:
        if file is old and at < end:
            read_at.append(at)
        return read(file, at, length)

    monkeypatch.setattr(File, "read", noted)
    journal.enough = 0
    journal.write({"last": {0: b"it begins"}})
    while journal.next is not None:
        journal.write({"last": {0: b"it goes on"}})
    assert len(read_at) == 60
    assert opened()[1] == {call_id: dict.fromkeys(range(3), call_id) for call_id in calls} | {
        "last": {0: b"it goes on"}
    }


def test_a_kill_while_it_is_made_smaller_loses_nothing(path: Path, opened: Opened) -> None:
    journal, _ = opened()
    journal.small = journal.enough = 0
    for number in range(200):
        journal.write({f"call {number}": {0: b"old"}})
    for number in range(200):
        journal.write({f"call {number}": {0: b"new"}})
        if journal.next is not None:
            break
    assert journal.next
    journal.drop("call 3")
    journal.write({"call 199": {0: b"newest"}})
    # As a kill leaves it: nothing is tidied up.
    let_go(journal.next)
    journal.next = None
    _, found = opened()
    assert found["call 199"] == {0: b"newest"} and "call 3" not in found
    assert found["call 0"] == {0: b"new"} and len(found) == 199


def test_who_waits_for_it_gets_the_new_file(path: Path, opened: Opened) -> None:
    """A process that opened the old file just before it was replaced must not believe that it has the journal."""
    journal, _ = opened()
    journal.small = journal.enough = 0
    old = path.stat().st_ino
    while path.stat().st_ino == old:
        journal.write({"one": {0: b"again and again"}})
    with pytest.raises(BlockingIOError):
        Journal(path).open()


def test_a_full_disk_stops_no_call(opened: Opened, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
    journal, _ = opened(4096)
    journal.write({"one": {0: b"kept"}})

    def refuse(descriptor: int, start: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    journal.write({"one": {0: b"there is no room for this" * 100_000}})
    assert journal.is_failing
    journal.write({"two": {0: b"refused as well" * 100_000}})
    journal.drop("one")
    monkeypatch.undo()
    journal.write({"three": {0: b"kept again"}})
    assert not journal.is_failing
    assert opened()[1] == {"three": {0: b"kept again"}}
    assert path.read_bytes().startswith(MAGIC)


def test_a_disk_without_room_is_no_end_of_the_process(tmp_path: Path) -> None:
    """A real one: what is in memory of a file for which there is no room must not be written to (SIGBUS)."""
    script = (
        "import sys; from pathlib import Path; from c2c_b2bua.storage.journal import Journal\n"
        "journal = Journal(Path(sys.argv[1]) / 'calls'); journal.open()\n"
        "for number in range(3000): journal.write({f'call {number}': {0: bytes(1000)}})\n"
        "print(journal.is_failing, len(journal.file.places) > 500)"
    )
    mount = f'mount -t tmpfs -o size=2m tmpfs {tmp_path} && exec {sys.executable} -c "$0" {tmp_path}'
    command = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c", mount, script]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout.splitlines()[-1:]) == (0, ["True True"]), done.stderr


def test_a_call_that_changes_for_ever_is_written_as_a_whole_now_and_then(opened: Opened) -> None:
    journal, _ = opened()
    assert journal.file
    for number in range(10 * MOST_PLACES):
        journal.write({"one": {number % 3: b"%d" % number}})
        assert len(journal.file.places["one"]) <= MOST_PLACES
    last = 10 * MOST_PLACES - 1
    assert opened()[1] == {"one": {number % 3: b"%d" % number for number in (last - 2, last - 1, last)}}


def test_the_room_behind_the_last_entry_is_given_back(path: Path, opened: Opened) -> None:
    journal, _ = opened()
    journal.write({"one": {0: b"order 1"}})
    assert path.stat().st_size > 100_000
    size = size_of(journal)
    journal.close()
    assert path.stat().st_size == size


def test_an_entry_may_be_longer_than_the_room_that_is_had_at_a_time(opened: Opened) -> None:
    journal, _ = opened(4096)
    expected = {f"call {length}": {0: bytes([length % 256]) * length} for length in (1, 4000, 100, 9000, 1, 20_000)}
    for call_id, parts in expected.items():
        journal.write({call_id: parts})
    assert opened()[1] == expected
