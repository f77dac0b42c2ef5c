"""What came of the connects of a load: each of them as it went, and figures over them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import msgspec

REFUSED = "refused: "
PERCENTILES = (50.0, 90.0, 99.0, 100.0)


class Attempt(msgspec.Struct):
    """One connect. `at`: seconds from the start of the load to when it was due; `latency`: from then to its answer."""

    at: float
    latency: float = 0.0
    call_id: str = ""
    """Empty: no call was accepted."""
    refusal: str = ""
    """Why not."""
    began_late: bool = False
    end: str = ""
    """What became of the call: `bridged`, or the cause it failed for; empty while nobody knows."""

    @property
    def failure(self) -> str:
        """Why there was no bridged call; empty when there was one."""
        if self.refusal:
            return f"{REFUSED}{self.refusal}"
        return "" if self.end == "bridged" else self.end or "not over, or not in history"


class Tally:
    """The attempts of a load in the order in which they were due."""

    def __init__(self) -> None:
        self.attempts: list[Attempt] = []
        self.answered: list[Attempt] = []
        """In the order of their answers."""
        self.accepted = self.late = 0
        self.seconds = 0.0
        """How long connects were made."""

    def answer(self, attempt: Attempt) -> None:
        """A connect was answered, or will not be."""
        self.answered.append(attempt)
        self.accepted += bool(attempt.call_id)
        self.late += attempt.began_late

    @property
    def refused(self) -> int:
        return len(self.answered) - self.accepted

    @property
    def bridged(self) -> int:
        return sum(1 for attempt in self.answered if attempt.end == "bridged")

    @property
    def failures(self) -> list[tuple[str, int]]:
        """(cause, how often), the most frequent first."""
        return Counter(attempt.failure for attempt in self.answered if attempt.failure).most_common()

    def latencies(self, last: int = 0) -> list[float]:
        """In order of size; of the last answers only."""
        return sorted(attempt.latency for attempt in self.answered[-last:])

    def lines(self, is_known: bool = True) -> list[str]:
        """The report; `is_known`: so is what became of the calls."""
        seconds = max(self.seconds, 0.001)
        sorted_latencies = self.latencies()
        spelled = "  ".join(
            f"{'max' if percent == 100 else f'p{percent:g}'} {milliseconds(percentile(sorted_latencies, percent))}"
            for percent in PERCENTILES
        )
        made = len(self.attempts)
        lines = [
            f"offered   {made:>8} in {seconds:.1f} s: {made / seconds:.1f} connects/s, {self.late} of them begun late",
            f"accepted  {self.accepted:>8}",
        ]
        if is_known:
            lines.append(f"bridged   {self.bridged:>8}   {self.bridged / seconds:.1f} calls/s")
        failures = [(cause, count) for cause, count in self.failures if is_known or cause.startswith(REFUSED)]
        lines.append(f"failed    {sum(count for _, count in failures):>8}")
        lines += [f"  {count:>8} x {cause}" for cause, count in failures]
        return [*lines, f"connect   {spelled}"] if sorted_latencies else lines


def percentile(ordered: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent are not above; 0.0 of none."""
    if not ordered:
        return 0.0
    place = -int(-len(ordered) * percent // 100)  # rounded up
    return ordered[min(max(place, 1), len(ordered)) - 1]


def milliseconds(value: float) -> str:
    return f"{1000 * value:.1f} ms"
