"""What commands print: colours for people on a terminal, plain lines and JSON for everything else."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Coroutine
from typing import Any, NoReturn, TypeVar

import structlog
import uvloop
from rich.console import Console
from rich.text import Text

from c2c_b2bua.ladder import Rung

console = Console(highlight=False, soft_wrap=True)
Outcome = TypeVar("Outcome")


def fail(code: int, text: str) -> NoReturn:
    """Say what is wrong on standard error, and end."""
    print(text, file=sys.stderr)
    sys.exit(code)


def say(line: str | Rung) -> None:
    """A line on standard output, at once."""
    if not sys.stdout.isatty():
        print(line, flush=True)
    elif isinstance(line, Rung):
        before, arrow, after = line.parts()
        console.print(Text.assemble((before, "dim"), (arrow, colour(line.status)), (after, "dim")))
    else:
        console.print(line, markup=False)


def colour(status: int) -> str:
    """Requests and success stand out, progress steps back, what failed is red."""
    if status >= 300:
        return "red"
    return "dim" if 100 <= status < 200 else "cyan"


def show(value: Any) -> None:
    """A JSON value."""
    if sys.stdout.isatty():
        console.print_json(data=value)
    else:
        print(json.dumps(value, indent=2, ensure_ascii=False), flush=True)


def set_up_log(level: str = "info") -> None:
    """Lines for people on a terminal, JSON for machines elsewhere; both on standard error.

    Never the values of local variables: there are passwords among them.
    """
    is_terminal = sys.stderr.isatty()
    renderer: Any = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if is_terminal
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([] if is_terminal else [structlog.processors.format_exc_info]),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(getattr(logging, level.upper())),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def run(work: Coroutine[Any, Any, Outcome]) -> Outcome:
    """Run a coroutine on uvloop; what the machine refuses is one clear line and exit code 1."""
    try:
        return uvloop.run(work)
    except OSError as error:
        fail(1, error.strerror or str(error))
    except KeyboardInterrupt:
        sys.exit(130)
