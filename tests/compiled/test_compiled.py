"""What proves the core right proves it as well where it is compiled: the same tests, the matrix, the crashes, unchanged."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .installation import OF_THE_TESTS, ROOT, SOURCES, copied, install, run
from .test_build import compiled
from .witness import core

WITNESS = ("-m", "tests.compiled.witness")
PYTEST = (*WITNESS, "pytest", "-p", "no:cacheprovider")
BELOW_THE_WATERLINE = ("sip", "transaction", "dialog", "call", "registration", "recording")
ONE_FILE = ("test_sdp.py", "test_throttle.py", "test_numbers.py")
FRAME = re.compile(r'File "(.*/c2c_b2bua/.*|c2c_b2bua/.*)", line (\d+)')
MATRIX = 600
"""Seconds that the matrix may take; one minute on a core of its own."""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as `C2C_COMPILED=1 pip install` leaves it, only compiled in half the time; the tests beside it."""
    folder = tmp_path_factory.mktemp("compiled")
    source, place = copied(SOURCES, folder / "source"), folder / "tree"
    install(source, place, C2C_COMPILED="1", CFLAGS="-O1")
    shutil.rmtree(source)
    return copied(OF_THE_TESTS, place)


@pytest.fixture(scope="module", autouse=True)
def matrix(tree: Path) -> Iterator[subprocess.Popen[str]]:
    """The whole matrix, which takes its time while the other tests take theirs."""
    with subprocess.Popen(
        [sys.executable, *WITNESS, "tests.matrix"],
        cwd=tree,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        yield process
        process.kill()


def said(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stdout + done.stderr
    assert "modules of the core were compiled ones" in done.stdout
    return done.stdout


def test_the_core_is_compiled_and_says_so(tree: Path) -> None:
    assert compiled(tree) == core(ROOT)
    assert run(tree, "-m", "c2c_b2bua", "--version").stdout.endswith(" (compiled)\n")


def test_the_floors_below_the_waterline(tree: Path) -> None:
    places = [f"tests/{name}" for name in (*BELOW_THE_WATERLINE, *ONE_FILE)]
    assert " failed" not in said(run(tree, *PYTEST, *places))


def test_lossy_wires_and_killed_cores(tree: Path) -> None:
    assert " failed" not in said(run(tree, *PYTEST, "tests/simulation"))


def test_the_killed_server(tree: Path) -> None:
    """The server says at its start in which form it is; the tests are those of the plain one."""
    done = run(tree, *PYTEST, "--basetemp", str(tree / "servers"), "tests/sipp/test_crash.py")
    assert " failed" not in said(done)
    logs = [path.read_text() for path in (tree / "servers").rglob("server.log")]
    assert logs
    assert all('"form": "compiled"' in log and '"form": "pure"' not in log for log in logs)


def test_the_whole_matrix(matrix: subprocess.Popen[str]) -> None:
    out, _ = matrix.communicate(timeout=MATRIX)
    assert matrix.returncode == 0, out
    assert "modules of the core were compiled ones" in out


def test_a_traceback_names_the_lines_of_the_source(tree: Path) -> None:
    wrong = "from c2c_b2bua.sip.reading import parse; parse(b'INVITE sip: SIP/2.0\\r\\n\\r\\n').check()"
    of_both = [run(place, "-c", wrong).stderr for place in (tree, ROOT)]
    compiled, plain = ([(Path(file).name, line) for file, line in FRAME.findall(error)] for error in of_both)
    assert compiled == plain
    assert len(plain) > 1


def test_a_plain_module_is_noticed(tree: Path) -> None:
    """So that the witness can object."""
    (library,) = (tree / "c2c_b2bua" / "sip").glob("uri.*.so")
    elsewhere = library.with_suffix(".away")
    library.rename(elsewhere)
    try:
        done = run(tree, *PYTEST, "tests/sip/test_uri.py")
    finally:
        elsewhere.rename(library)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (3, "plain Python: c2c_b2bua.sip.uri")
