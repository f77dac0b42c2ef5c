"""The build takes all of the core or nothing, says nothing when it cannot, and never leaves anything beside the sources."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from .installation import ROOT, install, run
from .witness import core

FALSE = str(shutil.which("false"))
FORM = ("-c", "from c2c_b2bua.form import form; print(form())")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Our build, of a package that has hardly anything in it."""
    source = tmp_path / "source"
    for name in ("sip/errors", "sip/phrases", "form", "__init__", "sip/__init__"):
        path = source / "c2c_b2bua" / f"{name}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / "c2c_b2bua" / f"{name}.py", path)
    for name in ("sdp", "throttle", "b2bua"):
        (source / "c2c_b2bua" / f"{name}.py").write_text(f'"""{name}"""\n')
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    return source


def compiled(tree: Path) -> set[str]:
    return {".".join((*path.parts[:-1], path.name.split(".")[0])) for path in relative(tree, "*.so")}


def relative(tree: Path, pattern: str) -> list[Path]:
    return [path.relative_to(tree) for path in tree.rglob(pattern)]


def compiler(tmp_path: Path, refused: str) -> str:
    """A C compiler that does not take files of this name."""
    script = tmp_path / "cc"
    script.write_text(f'#!/bin/sh\ncase "$*" in *{refused}*) exit 1;; esac\nexec cc "$@"\n')
    script.chmod(0o755)
    return str(script)


def test_all_of_the_core_is_compiled(small: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    install(small, tree, C2C_COMPILED="1", CFLAGS="-O0")
    assert compiled(tree) == core(small)
    assert run(tree, *FORM).stdout == "compiled\n"


@pytest.mark.parametrize("wanted", ["", "0"])
def test_it_is_plain_where_that_is_not_asked_for(small: Path, tmp_path: Path, wanted: str) -> None:
    tree = tmp_path / "tree"
    install(small, tree, C2C_COMPILED=wanted)
    assert compiled(tree) == set()
    assert run(tree, *FORM).stdout == "pure\n"
    assert (tree / "c2c_b2bua" / "b2bua.py").exists()


@pytest.mark.parametrize("refused", ["", "sdp.c", "sdp.cpython"], ids=["no compiler", "one file", "one library"])
def test_it_is_plain_where_anything_cannot_be_compiled(small: Path, tmp_path: Path, refused: str) -> None:
    tree = tmp_path / "tree"
    install(small, tree, C2C_COMPILED="1", CFLAGS="-O0", CC=compiler(tmp_path, refused) if refused else FALSE)
    assert compiled(tree) == set()
    assert run(tree, *FORM).stdout == "pure\n"
    assert (tree / "c2c_b2bua" / "b2bua.py").exists()


def test_it_is_plain_where_there_is_no_cython(small: Path, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden" / "Cython"
    hidden.mkdir(parents=True)
    (hidden / "__init__.py").write_text('raise ImportError("none here")\n')
    tree = tmp_path / "tree"
    install(small, tree, C2C_COMPILED="1", PYTHONPATH=str(hidden.parent))
    assert compiled(tree) == set()


def test_nothing_is_left_beside_the_sources(small: Path, tmp_path: Path) -> None:
    before = set(relative(small, "*"))
    install(small, tmp_path / "tree", C2C_COMPILED="1", CFLAGS="-O0")
    left = set(relative(small, "*")) - before
    assert {path.parts[0] for path in left} <= {"c2c_b2bua.egg-info"}


def test_an_editable_installation_is_plain(small: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-c", f"from setuptools import build_meta; build_meta.build_editable({str(tmp_path)!r})"],
        cwd=small,
        env={**os.environ, "C2C_COMPILED": "1"},
        check=True,
        capture_output=True,
        timeout=60,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert not [name for name in archive.namelist() if name.endswith(".so")]
    assert compiled(small) == set()
