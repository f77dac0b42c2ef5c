"""`python -m tests.compiled.witness MODULE ARGUMENT …`: what `python -m MODULE ARGUMENT …` does, where the core is compiled.

Exit code 3, and why, where any module of the core that was loaded is plain Python, or none was loaded.
"""

from __future__ import annotations

import runpy
import sys
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from types import ModuleType

ROOMS = ("sip", "transaction", "dialog", "call")
MODULES = ("sdp", "throttle", "b2bua")


def core(root: Path) -> set[str]:
    """The modules that are compiled, of the package below `root`."""
    rooms = {f"c2c_b2bua.{room}.{path.stem}" for room in ROOMS for path in root.glob(f"c2c_b2bua/{room}/*.py")}
    return {name for name in rooms if not name.endswith("__init__")} | {f"c2c_b2bua.{module}" for module in MODULES}


def is_compiled(module: ModuleType) -> bool:
    return str(module.__file__).endswith(tuple(EXTENSION_SUFFIXES))


def main(name: str, *arguments: str) -> int:
    of_the_core = core(Path.cwd())
    sys.argv = [name, *arguments]
    code = 0
    try:
        runpy.run_module(name, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        code = int(end.code or 0)
    loaded = of_the_core & set(sys.modules)
    if plain := sorted(module for module in loaded if not is_compiled(sys.modules[module])):
        print(f"plain Python: {', '.join(plain)}")
        return 3
    print(f"{len(loaded)} modules of the core were compiled ones")
    return code if loaded else 3


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
