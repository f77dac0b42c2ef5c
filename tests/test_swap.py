"""One process takes the place of another: what the one has done before the other hears of it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from c2c_b2bua.config import Sip
from c2c_b2bua.engine import Engine
from c2c_b2bua.swap import Swap
from c2c_b2bua.transport.link import Handed, Letters, Taken, connect, forget, listen


async def test_its_control_socket_is_there_before_the_one_before_it_leaves(tmp_path: Path) -> None:
    """That one looks whether the socket is its own and takes it away: another's must not come there in between."""
    path = tmp_path / "c2c.db.sock"
    before, inode = listen(path)
    said: list[Letters] = []

    def send(letter: Letters) -> None:
        """The process before it hears at once, and lets nobody in any more."""
        said.append(letter)
        assert path.stat().st_ino != inode
        forget(path, before, inode)

    nobody: Any = None
    swap = Swap(Engine(Sip(listen=["udp:127.0.0.1:0"])), nobody, nobody, path)
    told: Any = SimpleNamespace(send=send)
    handed = Handed([], [], [], [])
    swap.handed = told, handed
    predecessor: Any = SimpleNamespace(link=told)
    swap.predecessor = predecessor
    door: Any = SimpleNamespace(address=("127.0.0.1", 8000))
    swap.begin(door)
    assert said == [Taken(("127.0.0.1", 8000))]
    end = connect(path)
    assert end is not None, "nobody can drain or replace this process"
    end.close()
    assert swap.control is not None
    swap.control.close()
    assert not path.exists()
