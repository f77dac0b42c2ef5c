"""The package, installed by pip in either form, into a folder of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ("pyproject.toml", "setup.py", "README.md", "LICENSE", "c2c_b2bua", "api")
OF_THE_TESTS = ("pyproject.toml", "tests", "sipp_scenarios", "docs", "README.md", "config.example.toml")
BUILD = 900
"""Seconds that compiling may take; a minute on two cores with nothing else to do."""


def copied(names: tuple[str, ...], to: Path) -> Path:
    to.mkdir(parents=True, exist_ok=True)
    for name in names:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, to / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(ROOT / name, to / name)
    return to


def install(source: Path, to: Path, **env: str) -> str:
    """As `pip install SOURCE` does, with the setuptools and the Cython of the tests; what it said."""
    pip = (sys.executable, "-m", "pip", "install", "--disable-pip-version-check", "--no-deps", "--no-index")
    done = subprocess.run(
        [*pip, "--no-build-isolation", "--target", str(to), str(source)],
        cwd=source,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=BUILD,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def run(tree: Path, *words: str, seconds: float = 300, **env: str) -> subprocess.CompletedProcess[str]:
    """Python in `tree`, which knows the package that is installed there, and no other."""
    environment = {**os.environ, "PYTHONPATH": str(tree), **env}
    return subprocess.run(
        [sys.executable, *words], cwd=tree, env=environment, capture_output=True, text=True, timeout=seconds
    )
