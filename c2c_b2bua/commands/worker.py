"""A worker's process, started by a running service with `[sip] workers` above 1; no command of `c2c`."""

from __future__ import annotations

import signal
import socket
import sys

import structlog
import uvloop

from c2c_b2bua.commands.terminal import set_up_log
from c2c_b2bua.workers.process import allow_many_files
from c2c_b2bua.workers.worker import Worker


def main(level: str, descriptor: str, number: str) -> None:
    # Who stops the service tells the desk, and the desk tells us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    set_up_log(level)
    structlog.contextvars.bind_contextvars(worker=int(number))
    allow_many_files()
    uvloop.run(Worker().run(socket.socket(fileno=int(descriptor))))


if __name__ == "__main__":
    main(*sys.argv[1:])
