"""One process takes the place of another: at every moment somebody answers at the control socket."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from c2c_b2bua.config import Sip
from c2c_b2bua.engine import Engine
from c2c_b2bua.swap import Swap
from c2c_b2bua.transport.link import VERSION, Handed, HandOver, Letters, Refused, Taken, connect, forget, listen

DOOR: Any = SimpleNamespace(address=("127.0.0.1", 8000), paused=False)


def swap_at(path: Path) -> Swap:
    """Of an engine that does not run; nobody is asked anything."""
    nobody: Any = SimpleNamespace(calls=SimpleNamespace(live={}), open=lambda: None)
    return Swap(Engine(Sip(listen=["udp:127.0.0.1:0"])), nobody, nobody, path)


def answers(path: Path) -> bool:
    end = connect(path)
    if end is not None:
        end.close()
    return end is not None


async def test_the_new_one_answers_before_the_old_one_leaves(tmp_path: Path) -> None:
    """That one looks whether the socket is its own and takes it away: another's must not come there in between."""
    path = tmp_path / "c2c.db.sock"
    before, inode = listen(path)
    said: list[Letters] = []

    def send(letter: Letters) -> None:
        """The process before it hears at once, and lets nobody in any more."""
        said.append(letter)
        assert path.stat().st_ino != inode
        forget(path, inode)
        before.close()

    swap = swap_at(path)
    told: Any = SimpleNamespace(send=send, is_open=True)
    swap.handed = told, Handed([], [], [], [])
    predecessor: Any = SimpleNamespace(link=told)
    swap.predecessor = predecessor
    swap.begin(DOOR)
    assert said == [Taken(("127.0.0.1", 8000))]
    assert answers(path)
    assert swap.control is not None
    swap.control.close()
    assert not path.exists()


async def test_the_old_one_answers_again_when_the_new_one_is_killed_before_it_says_so(tmp_path: Path) -> None:
    """Who asks for its place before it is back at work is refused."""
    path = tmp_path / "c2c.db.sock"
    swap = swap_at(path)
    refusals: list[Letters] = []

    async def resume() -> None:
        another: Any = SimpleNamespace(send=refusals.append)
        swap.heard(another, HandOver(VERSION), [])

    door: Any = SimpleNamespace(address=("127.0.0.1", 8000), paused=[object()], resume=resume)
    swap.begin(door)
    gone: Any = object()
    swap.successor = gone
    killed, _ = listen(path)
    killed.close()
    assert not answers(path)
    await swap.take_back()
    assert answers(path)
    assert refusals == [Refused("it is being replaced")]
    assert swap.successor is None
    assert swap.control is not None
    swap.control.close()
    assert not path.exists()
