"""`python -m tests.bench`: figures of this machine, now. Nothing here decides whether a test passes.

Medians of rounds that take turns; the machine may be busy with other things, so compare within one run. From the bottom of
the ladder to the whole product:

  start        import, and from `c2c serve` to ready
  core         parse, build, a transaction, a whole call, a token bucket, takeover: one process, no sockets, by CPU
  forms        the same call with the core compiled and plain, in turn (make compiled builds it)
  registrar    REGISTER with digest, in the core and over sockets
  wire         UDP echo of our transport against a bare uvloop one
  http         read, list and connect against a bare aiohttp and msgspec echo; what the client itself needs
  calls        bridged calls a second of the real server, REST in, durable history out, SIPp phones on either side: the
               highest rate without a failed call, looked for with a new server each time, then held
  overhead     what the journal of calls and their trails cost: core and server with and without both, in turns
  overload     the same at 1.5 × what it carries
  latency      REST to wire at half of what it carries
  sippy        sippy 2.5.0's B2BUA between the same phones (make bench installs it)
  controllers  SIPp's own 3PCC controllers
  workers      [sip] workers 1 against 2, by CPU of a call and by rate
  talking      memory of talking calls, and CPU of one more beside few and many

A bridged call is 15 messages: INVITE, 180, 200, ACK on either leg, a re-INVITE with 200 and ACK, and two BYEs with their
200. What is measured has one core, phones and client the other. Each part has a process and a limit of its own; one that
fails says why in its row, and the exit code is 1 at the end.
"""

from __future__ import annotations

import argparse
import gc
import os
import platform
import resource
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from c2c_b2bua.workers.process import THRESHOLDS
from tests.bench.board import HEAD, Board, Row, as_line, from_line, print_json
from tests.bench.parts import PARTS
from tests.bench.processes import CORES, adopt_orphans, end_children, machine_seconds
from tests.bench.size import SIZES

ROOT = Path(__file__).resolve().parents[2]
GOODBYE = 10.0
"""Seconds that a part gets to end when it has told everything."""
WORDS = 300
"""Characters of what a part said that failed."""


def main() -> None:
    options = arguments()
    if options.part:
        play(options.part, options.size, options.earlier)
        return
    names = ["core"] if options.core_only else [name for name in options.only.split(",") if name] or list(PARTS)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    adopt_orphans()
    machine = describe()
    if not options.json:
        print(", ".join(f"{name}: {value}" for name, value in machine.items()), end=f"\n\n{HEAD}\n", flush=True)
    rows: list[Row] = []
    others: dict[str, float] = {}
    try:
        for name in names:
            busy = Busy()
            for row in run(name, options.size, rows):
                rows.append(row)
                if not options.json:
                    print(row.markdown(), flush=True)
            end_children()
            others[name] = busy.share()
    finally:
        end_children()
    machine["busy with other things (%)"] = {name: round(100 * share) for name, share in others.items()}
    if options.json:
        print_json(machine, rows)
    else:
        shares = ", ".join(f"{name} {100 * share:.0f} %" for name, share in others.items())
        print(f"\nOf the machine's time others had: {shares}.")
    sys.exit(1 if any(row.failed for row in rows) else 0)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object instead of a Markdown table")
    parser.add_argument("--core-only", action="store_true", help="as --only core: no sockets, half a minute")
    parser.add_argument("--only", default="", metavar="PARTS", help="some parts, such as core,http")
    size = parser.add_mutually_exclusive_group()
    size.add_argument(
        "--quick",
        dest="size",
        action="store_const",
        const="quick",
        help="fewer and shorter rounds, four minutes",
    )
    size.add_argument(
        "--tiny",
        dest="size",
        action="store_const",
        const="tiny",
        help="only see that all parts work: figures mean nothing",
    )
    parser.set_defaults(size="full")
    parser.add_argument("--part", choices=PARTS, help=argparse.SUPPRESS)
    parser.add_argument("--earlier", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if unknown := {name for name in options.only.split(",") if name} - set(PARTS):
        parser.error(f"no part is called {', '.join(sorted(unknown))}; there are {', '.join(PARTS)}")
    options.size = options.size or "full"
    return options


def play(name: str, size: str, earlier: str | None) -> None:
    """One part, in this process; its rows are printed for the other one."""
    # As the server sets its collector.
    gc.set_threshold(*THRESHOLDS)
    rows = msgspec.json.decode(Path(earlier).read_bytes(), type=list[Row]) if earlier else []
    board = Board(name, lambda row: print(as_line(row), flush=True), rows)
    PARTS[name].play(board, SIZES[size])


def run(name: str, size: str, earlier: list[Row]) -> Iterator[Row]:
    """One part in a process of its own, and no longer than its limit; its rows, as they come."""
    limit = PARTS[name].limit
    with tempfile.NamedTemporaryFile() as known, tempfile.TemporaryFile() as words:
        known.write(msgspec.json.encode(earlier))
        known.flush()
        command = (sys.executable, "-m", "tests.bench", "--part", name, "--earlier", known.name)
        flags = () if size == "full" else (f"--{size}",)
        with subprocess.Popen((*command, *flags), cwd=ROOT, stdout=subprocess.PIPE, stderr=words) as process:
            assert process.stdout
            try:
                for line in lines(process.stdout.fileno(), time.monotonic() + limit):
                    if (row := from_line(line)) is not None:
                        yield row
                process.wait(GOODBYE)
            except (TimeoutError, subprocess.TimeoutExpired):
                yield failure(name, f"not over after {limit:.0f} s")
                return
            finally:
                process.kill()
        if process.returncode:
            words.seek(0)
            yield failure(name, last_words(words.read().decode(errors="replace")) or f"exit code {process.returncode}")


def lines(file: int, until: float) -> Iterator[bytes]:
    """What comes, line by line, until the end; TimeoutError when there is none in time."""
    left = b""
    while True:
        if not select.select([file], [], [], max(0.0, until - time.monotonic()))[0]:
            raise TimeoutError
        data = os.read(file, 65536)
        if not data:
            return
        *whole, left = (left + data).split(b"\n")
        yield from whole


def failure(name: str, why: str) -> Row:
    return Row(name, f"all of {name}, or what is missing of it", None, "", 0, note=f"failed: {why}", failed=True)


def last_words(text: str) -> str:
    """The error, without the lines of a traceback that say where it was."""
    said: list[str] = []
    for line in reversed(text.strip().splitlines()):
        if line.startswith("  "):
            break
        said.insert(0, line.strip())
    return " ".join(said)[:WORDS]


class Busy:
    """How much of the machine others have, from now on."""

    def __init__(self) -> None:
        self.started, self.all, self.ours = time.monotonic(), machine_seconds(), self.our_seconds()

    @staticmethod
    def our_seconds() -> float:
        both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
        return sum(used.ru_utime + used.ru_stime for used in both)

    def share(self) -> float:
        took = (time.monotonic() - self.started) * (os.cpu_count() or 1)
        others = machine_seconds() - self.all - (self.our_seconds() - self.ours)
        return max(0.0, others / took)


def describe() -> dict[str, object]:
    """What these figures are of."""
    commit = subprocess.run(("git", "describe", "--always", "--dirty"), cwd=ROOT, capture_output=True, text=True)
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return {
        "commit": commit.stdout.strip() or "unknown",
        "Python": platform.python_version(),
        "CPU": models[0].partition(": ")[2] if models else platform.machine(),
        "cores": len(CORES),
        "load before": round(os.getloadavg()[0], 2),
    }


if __name__ == "__main__":
    main()
