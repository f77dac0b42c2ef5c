"""Who gets the next call, and when nobody does."""

from __future__ import annotations

from pathlib import Path

import pytest

from c2c_b2bua.call.order import CallOrder, Party
from c2c_b2bua.config import Config, Sip
from c2c_b2bua.workers.crew import Crew, CrewCalls
from c2c_b2bua.workers.messages import Behind


@pytest.fixture
def crew(tmp_path: Path) -> Crew:
    """A desk that has enough to do itself, and two workers."""
    made = Crew(Config(sip=Sip(workers=3)), None, CrewCalls(tmp_path / "calls", {}, 3), ())
    made.balance.desk_work = 1.0
    made.balance.due = 0.0
    for member in made.members:
        member.is_ready = True
    return made


def carrier(crew: Crew) -> int:
    """The number of the process that would get a call now; 0: the desk."""
    parties = [Party(target="1", uri="sip:1@192.0.2.1", from_uri="sip:2@192.0.2.2") for _ in range(2)]
    found = crew.carrier_of(CallOrder(call_id="c2c-1", a=parties[0], b=parties[1]))
    return found.number if found is not None else 0


def test_the_worker_with_the_fewest_calls_gets_the_next(crew: Crew) -> None:
    crew.members[0].calls = {"c2c-1": 0.0}
    assert carrier(crew) == 2


def test_a_worker_that_is_behind_gets_none_while_another_is_not(crew: Crew) -> None:
    first, second = crew.members
    second.calls = {"c2c-1": 0.0}
    first.dispatch[Behind](Behind(0.3))
    assert (carrier(crew), crew.lag()) == (2, 0.0)
    second.dispatch[Behind](Behind(0.4))
    assert (carrier(crew), crew.lag()) == (1, 0.3)
    first.dispatch[Behind](Behind(0.0))
    assert (carrier(crew), crew.lag()) == (1, 0.0)


def test_a_worker_that_is_not_there_holds_nobody_up(crew: Crew) -> None:
    for member in crew.members:
        member.dispatch[Behind](Behind(0.4))
    crew.members[0].is_ready = False
    assert (carrier(crew), crew.lag()) == (2, 0.4)
    crew.members[1].is_ready = False
    assert (carrier(crew), crew.lag()) == (0, 0.0)
    crew.members[1].ready()
    assert (carrier(crew), crew.lag()) == (2, 0.0)
