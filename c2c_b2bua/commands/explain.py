"""`c2c explain`: what became of a call, drawn from history."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from c2c_b2bua.commands.arguments import ConfigFile, read_config
from c2c_b2bua.commands.terminal import fail, run, say, set_up_log
from c2c_b2bua.config import Config
from c2c_b2bua.ladder import HEAD, recalled
from c2c_b2bua.service.course import rungs, timing
from c2c_b2bua.service.exchange import open_history
from c2c_b2bua.service.explanation import explain as sentence
from c2c_b2bua.service.history import record_decoder
from c2c_b2bua.service.moment import timestamp
from c2c_b2bua.storage.database import StorageError
from c2c_b2bua.storage.history_rows import HistoryRow
from c2c_b2bua.storage.write_ahead import accepted

PARTS = ("dns", "auth", "ring", "answer")


def explain(call_id: str, /, *, config: ConfigFile) -> None:
    """Draw the ladder of a call that is over, say what took how long, and why it ended as it did.

    Reads what the service has written, while it runs or not. Exit code 1 when there is no such call, or when it
    has not ended yet.

    Parameters
    ----------
    call_id
        As `connect` answered it, or the `id` of the call in history.
    """
    settings = read_config(config)
    set_up_log("warning")
    try:
        row = run(found(settings, call_id))
    except StorageError as error:
        fail(1, f"cannot use the database {settings.shown()['storage']['url']}: {error}")
    if row is None and not is_accepted(settings, call_id):
        fail(1, f"There is no call {call_id} in history.")
    if row is None or row.record is None:
        fail(1, f"The call {call_id} has not ended yet.")
    tell(row, row.record)


async def found(settings: Config, call_id: str) -> HistoryRow | None:
    """The row of a call, by one of its two ids."""
    async with open_history(settings) as store:
        return await store.call(call_id) or await store.by_id(call_id)


def is_accepted(settings: Config, call_id: str) -> bool:
    """Whether there is a call of this id that the database does not have yet."""
    try:
        return any(call_id in (call.call_id, call.id) for call in accepted(Path(settings.storage.accepted_path)))
    except OSError as error:
        fail(1, f"cannot read the log of accepted calls: {error.strerror or error}")


def tell(row: HistoryRow, text: str) -> None:
    record = record_decoder.decode(text)
    say(f"{row.call_id} to {row.contact}, {timestamp(row.accepted_at)}")
    say("")
    lines = rungs(record)
    if lines:
        say(HEAD)
    for rung in lines:
        say(recalled(rung, row.accepted_at))
    for number, attempt in enumerate(record.attempts, 1):
        by = f" by {attempt.trunk}" if attempt.trunk else ""
        say(f"{number}: {attempt.leg.upper()} was tried as {attempt.uri or attempt.target}{by}")
    say("")
    for line in durations(timing(record, row.accepted_at)):
        say(line)
    say("")
    say(sentence(record))


def durations(times: dict[str, Any]) -> list[str]:
    """What took how long, a line for the call and one for each leg."""
    lines = [spelled("call", times, ("queue", "join", "talk"))]
    return [*lines, *(spelled(f"leg {leg.upper()}", times[leg], PARTS) for leg in "ab" if times[leg])]


def spelled(what: str, times: dict[str, Any], names: tuple[str, ...]) -> str:
    """`leg A    ring 0.512 s, answer 3.001 s`, without what did not happen."""
    spans = ", ".join(f"{name} {times[name]:.3f} s" for name in names if times[name] is not None)
    return f"{what:<8} {spans or 'nothing'}"
