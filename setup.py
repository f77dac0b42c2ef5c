"""Builds the package. With C2C_COMPILED=1 in the environment, what carries every message becomes machine code, made by
Cython from the same files; all of it or nothing.

Where that cannot be done, because there is no compiler, no Python.h or no Cython, the package is plain Python. So is
every editable installation: its files change, and nothing compiled may be older than they are.
"""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

CYTHON = "Cython>=3.3"
IS_WANTED = os.environ.get("C2C_COMPILED", "") not in ("", "0")
PACKAGE = Path("c2c_b2bua")
ROOMS = ("sip", "transaction", "dialog", "call")
MODULES = ("sdp", "throttle", "b2bua")
# Types are hints, as to Python: a number may be whole where `float` is written.
DIRECTIVES = {"annotation_typing": False, "emit_code_comments": False}
FLAGS = ["-g0"]


def modules() -> list[str]:
    """What is compiled."""
    rooms = [path for room in ROOMS for path in sorted((PACKAGE / room).glob("*.py")) if path.stem != "__init__"]
    files = [*rooms, *(PACKAGE / f"{module}.py" for module in MODULES)]
    return [".".join(path.with_suffix("").parts) for path in files]


def extension(module: str) -> Extension:
    return Extension(module, [module.replace(".", "/") + ".py"])


class CompileOrLeave(build_ext):
    """Compiles all extensions or leaves all of them plain."""

    def run(self) -> None:
        if self.inplace:
            self.leave("an editable installation is plain Python")
        super().run()

    def build_extensions(self) -> None:
        try:
            self.try_compiler()
            self.compile_all()
        except Exception as problem:  # noqa: BLE001
            self.leave(f"plain Python is what is installed: {problem}")

    def try_compiler(self) -> None:
        """Before Cython takes its time."""
        trial = Path(self.build_temp, "trial.c")
        trial.parent.mkdir(parents=True, exist_ok=True)
        trial.write_text("#include <Python.h>\n", encoding="ascii")
        self.compiler.compile([str(trial)], output_dir=self.build_temp)

    def compile_all(self) -> None:
        """While Cython writes one file here, others are compiled on all cores."""
        from Cython.Build import cythonize

        flags = FLAGS if self.compiler.compiler_type == "unix" else []
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            building = []
            for each in self.extensions:
                python = extension(each.name)
                (made,) = cythonize([python], build_dir=self.build_temp, compiler_directives=DIRECTIVES, quiet=True)
                each.sources, each.extra_compile_args = made.sources, flags
                building.append(pool.submit(self.build_extension, each))
            for future in building:
                future.result()

    def leave(self, reason: str) -> None:
        self.warn(reason)
        for each in self.extensions:
            Path(self.get_ext_fullpath(each.name)).unlink(missing_ok=True)
        self.extensions = []


# Built in a folder of its own, which is gone afterwards, so that nothing of another time gets in.
with tempfile.TemporaryDirectory() as folder:
    setup(
        ext_modules=[extension(module) for module in modules()] if IS_WANTED else [],
        setup_requires=[CYTHON] if IS_WANTED else [],
        cmdclass={"build_ext": CompileOrLeave},
        options={"build": {"build_base": folder}},
    )
