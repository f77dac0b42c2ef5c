"""`c2c replay`: a recorded call, played again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from c2c_b2bua.commands.terminal import fail, say
from c2c_b2bua.recording.replay import RecordingError, Replay


def replay(file: Path, /, *, update: Annotated[bool, Parameter(negative="")] = False) -> None:
    """Play a recorded call again: the same messages, timers and commands, and see whether the same comes of them.

    The service records calls when `replays` of `[calls]` names a directory. Exit code 0 when the core does now
    what it did then, 1 when not: the first difference is shown; 2 when the file is no recording.

    Parameters
    ----------
    update
        Write into the file what the core does now, instead of what it did then.
    """
    try:
        data = file.read_bytes()
        played = Replay(data)
        if update:
            file.write_bytes(played.as_it_is_now())
            say(f"{file}: updated.")
            return
    except OSError as error:
        fail(2, f"{file}: {error.strerror or error}")
    except RecordingError as error:
        fail(2, f"{file}: {error}")
    difference = played.play()
    if difference is not None:
        say(f"{file}: not the same, first in {difference}")
        fail(1, f"{file}: not the same as recorded.")
    say(f"{file}: the same as recorded, {len(played.lines)} inputs, {played.messages} messages.")
