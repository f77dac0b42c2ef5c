"""What is known of calls is in the journal when it has to be, and not before that."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import msgspec
import pytest

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.call.news import CallEnded
from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.dialog.leg import DOWN, ENDING
from c2c_b2bua.kept_calls import KeptCalls
from c2c_b2bua.sip.flow import Interface, Interfaces
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action, Locate
from tests.call.ladder import bridged
from tests.call.player import Player

HUNG_UP = "B -> BYE\nB <- 200\nA <- BYE\nA -> 200"


class Kept(Player):
    """A player whose core has a journal."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.kept = KeptCalls(path, {})
        super().__init__()

    def make_core(self, interfaces: Interfaces) -> B2bua:
        core = B2bua(interfaces, Tokens(b"ladder"), keeps=True)
        self.kept.take_over(core, 0.0, lambda actions: None)
        self.kept.release(lambda news: None)
        return core

    def take(self, actions: list[Action]) -> None:
        super().take([action for action in actions if not self.kept.hear(action)])
        self.kept.write()

    @property
    def written(self) -> int:
        """Bytes in the journal."""
        assert self.kept.journal.file is not None
        return self.kept.journal.file.size

    def crash(self) -> list[CallEnded]:
        """Killed, and started again at once; what has ended meanwhile."""
        file = self.kept.journal.file
        assert file is not None and file.memory is not None
        file.memory.close()
        os.close(file.descriptor)
        self.core = B2bua(self.core.interfaces, Tokens(b"next"), keeps=True)
        self.kept = KeptCalls(self.path, {})
        self.kept.take_over(self.core, self.now, self.take)
        return [CallEnded(name, self.now, record) for name, record in self.kept.ended.items()]


def outlives_a_kill(player: Kept, rest: str) -> None:
    """B answers, the two are joined, we are killed, B hangs up."""
    player.play(f"B -> 200{rest}")
    player.crash()
    player.kept.release(player.news.append)
    player.play(HUNG_UP)
    player.finish()


@pytest.fixture
def player(tmp_path: Path) -> Kept:
    return Kept(tmp_path / "calls")


def test_what_nothing_is_sent_for_is_written_later(player: Kept) -> None:
    player.play(bridged() + "api: hang up\nA <- BYE\nB <- BYE\n")
    before = player.written
    player.play("A -> 200")
    assert player.kept.waits
    assert player.written == before
    player.kept.save()
    assert not player.kept.waits
    player.crash()
    assert [leg.state for leg in player.core.calls[player.order.call_id].legs] == [DOWN, ENDING]


def test_since_when_a_phone_rings_is_written_later(player: Kept) -> None:
    player.play("A <- INVITE held\n")
    before = player.written
    player.play("A -> 180")
    assert player.written == before
    player.kept.save()
    player.crash()
    assert player.core.calls[player.order.call_id].a.ringing_at == 1000.0


def test_a_record_that_is_in_the_database_is_not_written_at_all(player: Kept) -> None:
    player.play(bridged() + HUNG_UP)
    before = player.written
    assert player.kept.waits
    player.kept.forget(player.order.call_id)
    player.kept.save()
    assert player.written == before
    player.kept.close()
    assert player.kept.open() == {}


@pytest.mark.parametrize("is_saved", [False, True])
def test_the_record_of_a_call_that_has_ended_outlives_a_kill(player: Kept, is_saved: bool) -> None:
    """Written, it is as it was; if not, the phone is told once more, and the call ends as it had."""
    player.play(bridged() + HUNG_UP)
    if is_saved:
        player.kept.save()
    ended = player.crash()
    assert len(ended) == is_saved
    if not is_saved:
        player.play("A <- BYE\nA -> 481")
        ended = [CallEnded(name, player.now, record) for name, record in player.kept.ended.items()]
    assert [(news.record.ended_by, news.record.cause, news.record.bridged_at) for news in ended] == [
        ("b", "NORMAL_CLEARING", 1000.0)
    ]


def test_what_a_full_disk_has_refused_is_written_once_there_is_room(
    player: Kept, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(descriptor: int, start: int, length: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    first, _, rest = bridged().partition("B -> 200")
    monkeypatch.setattr(os, "posix_fallocate", refuse)
    file = player.kept.journal.file
    assert file is not None
    file.end = file.size  # all the room that it had
    player.play(first)
    assert player.kept.journal.is_failing
    monkeypatch.undo()
    outlives_a_kill(player, rest)
    assert player.record.ended_by == "b"


def test_of_a_call_that_ends_before_anything_was_written_nothing_is(tmp_path: Path) -> None:
    """Its host has no address, and the service had more to do than to write that down."""
    kept = KeptCalls(tmp_path / "calls", {})
    core = B2bua(Interfaces([Interface("UDP", "192.0.2.1", 5060)]), Tokens(b"x"), keeps=True)
    kept.take_over(core, 0.0, lambda actions: None)
    kept.release(lambda news: None)
    party = Party(target="1", uri="sip:1@nowhere.example", from_uri="sip:2@192.0.2.1")
    (locate,) = core.connect(CallOrder(call_id="c2c-1", a=party, b=party), 1.0)
    assert isinstance(locate, Locate)
    actions = core.located(locate.ticket, [], 1.0)
    for action in actions:
        kept.hear(action)
    assert [type(action) for action in actions] == [CallEnded]
    kept.save()
    kept.forget("c2c-1")
    assert not kept.half_done
    kept.close()
    assert kept.open() == {}


@pytest.mark.parametrize("is_all", [False, True])
def test_what_cannot_be_written_stops_no_call(player: Kept, monkeypatch: pytest.MonkeyPatch, is_all: bool) -> None:
    """And is written once it can be."""
    first, _, rest = bridged().partition("B -> 200")
    monkeypatch.setattr(player.kept.journal, "write", lambda changed: 1 / 0)
    player.play(first)
    if is_all:
        player.kept.save()
    monkeypatch.undo()
    outlives_a_kill(player, rest)


BUSY = "B -> 486\nB <- ACK\nA <- BYE\nA -> 200"


class Umlauts(Kept):
    """Phones that write Latin-1 where SIP wants UTF-8, in one place."""

    before, after = "", ""

    def feed(self, leg: str, text: str) -> None:
        super().feed(leg, text.replace(self.before, self.after))


@pytest.mark.parametrize(
    ("before", "after", "end"),
    [
        (" 200 Fine", " 200 Gut gel\udcf6st", HUNG_UP),
        (" 486 No", " 486 Besetzt f\udcfcr alle", BUSY),
        ("To: <", 'To: "J\udcfcrgen" <', HUNG_UP),
        ("Contact: <", 'Contact: "J\udcfcrgen" <', HUNG_UP),
        ("Record-Route: <", 'Record-Route: "J\udcfcrgen" <', HUNG_UP),
        ("s=-", "s=\udcfc", HUNG_UP),
        ("CSeq: 1 BYE", 'CSeq: 1 BYE\r\nReason: Q.850;cause=16;text="J\udcfcrgen legt auf"', HUNG_UP),
    ],
)
def test_what_is_no_text_is_kept_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, before: str, after: str, end: str
) -> None:
    monkeypatch.setattr(Umlauts, "before", before)
    monkeypatch.setattr(Umlauts, "after", after)
    player = Umlauts(tmp_path / "calls")
    begun, _, joined = bridged().partition("B -> 200")
    player.play(begun)
    if end == HUNG_UP:
        player.play(f"B -> 200{joined}")
        player.crash()
        player.kept.release(player.news.append)
    player.play(end)
    player.finish()
    player.kept.save()
    json.loads(msgspec.json.encode(player.record))
