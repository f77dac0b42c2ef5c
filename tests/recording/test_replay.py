"""Whatever a ladder does, its recording does it again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from c2c_b2bua.b2bua import B2bua
from c2c_b2bua.recording.recorder import Recorded, Recorder
from c2c_b2bua.recording.replay import RecordingError, Replay
from c2c_b2bua.sip.flow import Interfaces
from c2c_b2bua.sip.tokens import Tokens
from c2c_b2bua.transaction.actions import Action
from tests.call.ladder import Ladder, ladders
from tests.call.player import Player

LADDERS = ladders()


class Taped(Player):
    """Plays on a core that records."""

    def __init__(self, **order: Any) -> None:
        self.tape: list[Recorded] = []
        super().__init__(**order)

    def make_core(self, interfaces: Interfaces) -> B2bua:
        return Recorder(interfaces, Tokens(b"ladder"))

    def take(self, actions: list[Action]) -> None:
        self.tape += [action for action in actions if isinstance(action, Recorded)]
        super().take([action for action in actions if not isinstance(action, Recorded)])

    @property
    def file(self) -> bytes:
        return b"".join(recorded.line + b"\n" for recorded in self.tape)


def taped(ladder: Ladder) -> Taped:
    player = Taped(**ladder.order)
    player.play(ladder.text)
    player.finish()
    return player


@pytest.mark.parametrize("ladder", LADDERS, ids=[ladder.name for ladder in LADDERS])
def test_a_recorded_ladder_is_played_again(ladder: Ladder) -> None:
    player = taped(ladder)
    replay = Replay(player.file)
    assert replay.play() is None
    core = replay.core
    assert not (core.calls or core.legs or core.clients)
    assert [recorded.is_last for recorded in player.tape] == [False] * (len(player.tape) - 1) + [True]
    assert isinstance(player.core, Recorder) and not player.core.tapes


def test_no_password_and_no_answer_to_a_challenge_is_in_a_recording() -> None:
    (ladder,) = (ladder for ladder in LADDERS if ladder.name == "trunk_challenges")
    text = taped(ladder).file.decode()
    assert "Proxy-Authorization" in text and 'response=\\"****' in text
    assert 'secret"' not in text.replace('"secret":', "") and not re.search(r'response=\\"[0-9a-f]', text)


def test_what_is_not_the_same_is_shown() -> None:
    (ladder,) = (ladder for ladder in LADDERS if ladder.name == "b_busy")
    file = taped(ladder).file
    changed = file.replace(b"USER_BUSY", b"USER_IDLE")
    difference = Replay(changed).play()
    assert difference is not None and difference.line > 1
    assert "USER_IDLE" in difference.then and "USER_BUSY" in difference.now
    assert Replay(Replay(changed).as_it_is_now()).play() is None
    other = file.replace(b"SIP/2.0 486 ", b"SIP/2.0 603 ")
    assert Replay(other).play() is not None
    missing = b"".join(file.splitlines(keepends=True)[:3])
    assert Replay(missing).play() is None


def test_what_we_are_able_to_may_change() -> None:
    (ladder,) = (ladder for ladder in LADDERS if ladder.name == "b_busy")
    file = taped(ladder).file
    assert Replay(re.sub(rb"User-Agent: [^\\]*", b"User-Agent: before", file)).play() is None
    assert Replay(re.sub(rb"Max-Forwards: 70", b"Max-Forwards: 69", file)).play() is not None


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"", "a recording begins with the order of one call"),
        (b"{}\n", "line 1 is no line of a recording"),
        (b"\xff\n", "line 1 is no line of a recording"),
        (b'{"at":1.0,"given":{"input":"tick","machine":"x"}}\n', "a recording begins with the order of one call"),
    ],
)
def test_what_is_no_recording(data: bytes, text: str) -> None:
    with pytest.raises(RecordingError, match=text):
        Replay(data)


def test_a_recording_of_another_version() -> None:
    with pytest.raises(RecordingError, match="version 2, not 1"):
        Replay(taped(LADDERS[0]).file.replace(b'"version":1', b'"version":2'))


FILES = sorted((Path(__file__).parents[1] / "replays").glob("*.jsonl"))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
def test_what_has_happened_happens_again(path: Path) -> None:
    """A call of a running service, copied here from its `replays`; `c2c replay --update` when it shall go otherwise."""
    assert Replay(path.read_bytes()).play() is None


def test_there_are_replays() -> None:
    assert FILES
