"""What can go wrong in a ladder, one thing at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.matrix.script import Script
    from tests.matrix.stage import Stage

LOST, GONE, DOUBLED, DELAYED, DIES = "lost once", "lost for ever", "doubled", "delayed", "sender dies"
REDIRECTED, REFUSED, FAILED, DECLINED = "3xx", "4xx", "5xx", "6xx"
A_HANGS_UP, B_HANGS_UP, API_HANGS_UP = "A hangs up", "B hangs up", "API hangs up"
OF_MESSAGES = (LOST, GONE, DOUBLED, DELAYED, DIES)
OF_RESPONSES = (REDIRECTED, REFUSED, FAILED, DECLINED)
OF_MOMENTS = (A_HANGS_UP, B_HANGS_UP, API_HANGS_UP)
KINDS = (*OF_MESSAGES, *OF_RESPONSES, *OF_MOMENTS)

TO_INVITE = {REDIRECTED: (302,), REFUSED: (404, 480, 486, 488), FAILED: (500, 503), DECLINED: (600, 603)}
"""What may come in place of any response to an INVITE that rings a phone."""
IN_DIALOG = {REDIRECTED: (302,), REFUSED: (408, 481, 488, 491), FAILED: (500, 503), DECLINED: (603,)}
"""What may come in place of any other response."""


@dataclass(frozen=True)
class Fault:
    """`line` is the place of a message in its script, or the moment before that line.

    `number`: which of the datagrams of the undisturbed call it is. `status`: what is said instead.
    """

    kind: str
    line: int
    number: int = 0
    status: int = 0
    who: str = ""
    """The phone that hangs up."""

    def said(self, script: Script) -> str:
        """In words, with the line that it is about."""
        line = script.lines[self.line].text.partition("  ")[0]
        if self.kind in OF_MESSAGES:
            return f"{self.kind}: {line} (line {self.line + 1})"
        if self.kind in OF_RESPONSES:
            return f"{self.status} instead of {line} (line {self.line + 1})"
        return f"{self.who or 'the API'} hangs up before {line} (line {self.line + 1})"


def faults(script: Script, undisturbed: Stage) -> Iterator[Fault]:
    """All that can go wrong in a ladder, by how it went when nothing did."""
    known = undisturbed.baseline
    for place, line in enumerate(script.lines):
        if known.is_alive & {place}:
            yield Fault(API_HANGS_UP, place)
        for who in sorted(known.can_hang_up.get(place, ())):
            yield Fault(A_HANGS_UP if who[0] == "A" else B_HANGS_UP, place, who=who)
        number = known.numbers.get(place)
        if number is None or line.is_lost:
            continue
        for kind in OF_MESSAGES[: 5 if line.is_from_phone else 4]:
            yield Fault(kind, place, number)
        said = undisturbed.wire[number].said
        if line.is_response and said is not None:
            for kind, statuses in (TO_INVITE if said.is_first else IN_DIALOG).items():
                for status in statuses:
                    if str(status) != line.what:
                        yield Fault(kind, place, number, status)
