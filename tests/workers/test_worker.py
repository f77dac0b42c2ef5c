"""What a worker tells the desk of its calls, and when."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from c2c_b2bua.call.news import CallBridged, CallEnded, CallNews, LegAnswered, LegFailed, LegRinging, TransferAsked
from c2c_b2bua.call.record import CallRecord
from c2c_b2bua.sip.reason import Why
from c2c_b2bua.workers.messages import Behind, Message, Told, Used, news_of
from c2c_b2bua.workers.worker import Worker

ENDED = CallEnded("c2c-1", 5.0, CallRecord(call_id="c2c-1", accepted_at=1.0))


class Scene:
    """A worker at a time that is set, and what it gave its link, with how long that may wait."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.sent: list[tuple[Message, float]] = []
        self.worker = Worker()
        self.lag = 0.0
        stand_in: Any = SimpleNamespace(now=lambda: self.now, send=self.send, lag=lambda: self.lag)
        self.worker.engine = self.worker.link = stand_in

    def send(self, message: Message, patience: float = 0.0) -> None:
        self.sent.append((message, patience))

    def used(self) -> int:
        return sum(type(message) is Used for message, _ in self.sent)


@pytest.mark.parametrize(
    ("news", "longest"),
    [
        (LegRinging("c2c-1", 5.0, "a"), 0.02),
        (LegAnswered("c2c-1", 5.0, "b"), 0.02),
        (CallBridged("c2c-1", 5.0), 0.02),
        (ENDED, 0.002),
        (LegFailed("c2c-1", 5.0, "b", "carrier", Why("USER_BUSY", 486, "Busy"), False), 0.0),
        (TransferAsked("c2c-1", 5.0, "a", "key", "sip:1003@acme.example.com", ""), 0.0),
    ],
)
def test_how_long_news_may_wait(news: CallNews, longest: float) -> None:
    scene = Scene()
    scene.worker.tell(news)
    message, patience = scene.sent[0]
    assert isinstance(message, Told)
    assert (news_of(message), patience) == (news, longest)


def test_once_a_second_it_tells_how_busy_it_is() -> None:
    scene = Scene()
    for _ in range(3):
        scene.worker.tell(LegRinging("c2c-1", 5.0, "a"))
    assert scene.used() == 0
    for _ in range(30):
        scene.worker.tell(ENDED)
        scene.now += 0.1
    assert scene.used() == 3


async def test_it_tells_how_far_it_is_behind_until_it_is_so_no_more() -> None:
    scene = Scene()
    for lag in (0.0, 0.3, 0.4, 0.0, 0.0):
        scene.lag = lag
        scene.worker.look_back()
    assert [message for message, _ in scene.sent] == [Behind(0.3), Behind(0.4), Behind(0.0)]
