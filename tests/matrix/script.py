"""A ladder as phones follow it: which line answers which, and what a line waits for."""

from __future__ import annotations

import re
from itertools import accumulate

from tests.call.ladder import Ladder, Line

ANSWER_TO_REFER = re.compile("api: (transfer|refuse) ")


class Script:
    """The lines of a ladder but for those that only say something of the record; lines are known by their place."""

    def __init__(self, ladder: Ladder) -> None:
        lines = ladder.lines
        self.lines = [line for line in lines if not line.text.startswith("record:")]
        self.expectations = [
            part for line in lines if line.text.startswith("record:") for part in line.text.split()[1:]
        ]
        self.own: dict[str, list[int]] = {}
        for place, line in enumerate(self.lines):
            if line.leg:
                self.own.setdefault(line.leg, []).append(place)
        self.sends = [place for place, line in enumerate(self.lines) if line.is_from_phone]
        self.answers_to_refer = [place for place, line in enumerate(self.lines) if ANSWER_TO_REFER.match(line.text)]
        waits = [seconds(line) for line in self.lines]
        self.waited = [0.0, *accumulate(waits)]
        """Seconds of `wait` above each line."""
        self.answers: dict[int, int] = {}
        """Response of a phone -> the request that it answers."""
        self.acks: dict[int, int] = {}
        """ACK of a phone -> the response that it acknowledges."""
        self.methods: dict[int, str] = {}
        """Response of ours -> the method that it answers."""
        self.triggers: dict[int, int] = {}
        """What a phone sends -> what it has heard last before."""
        for places in self.own.values():
            self.read(places)
        self.acknowledged = {response: ack for ack, response in self.acks.items()}

    def read(self, places: list[int]) -> None:
        """The lines of one phone."""
        heard: list[int] = []
        asked: list[int] = []
        line: Line | None = None
        for place in places:
            before, line = line, self.lines[place]
            if not line.is_from_phone:
                if line.is_response:
                    last = self.lines[asked[-1]].what if asked else ""
                    self.methods[place] = line.of or ("INVITE" if line.what == "487" else last)
                is_repeated = before is not None and not before.is_from_phone and before.what == line.what
                heard += [] if line.is_lost or is_repeated else [place]
                continue
            self.triggers[place] = heard[-1] if heard else -1
            if line.is_response:
                self.answers[place] = next(one for one in reversed(heard) if self.is_answered(self.lines[one], line.of))
            elif line.what == "ACK":
                self.acks[place] = next(one for one in reversed(heard) if self.methods.get(one) == "INVITE")
            else:
                asked.append(place)

    @staticmethod
    def is_answered(request: Line, method: str) -> bool:
        return not request.is_response and request.what != "ACK" and method in ("", request.what)

    def waits_between(self, earlier: int, later: int) -> float:
        """Seconds of `wait` between two lines."""
        return self.waited[later] - self.waited[earlier + 1]


def seconds(line: Line) -> float:
    """How long a line makes everybody wait; `wait for us` ends by what comes after it."""
    words = line.text.split()
    return float(words[1]) if words[0] == "wait" and words[1] != "for" else 0.0
