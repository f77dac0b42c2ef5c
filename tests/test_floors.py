"""The rule of the house (DESIGN §3): imports only downward, nothing impure below the waterline, no file too long."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Low to high. Rooms on one floor do not know each other. The roof is one room: it composes everything.
FLOORS: list[list[str]] = [
    ["__init__", "sip", "throttle", "numbers"],
    ["config", "sdp"],
    ["config_file"],
    ["transaction"],
    ["dialog"],
    ["call", "registration"],
    ["b2bua", "phone"],
    ["recording"],
    # ═══ waterline ═══
    ["transport", "storage"],
    ["kept_calls"],
    ["shell"],
    ["engine"],
    ["workers"],
    ["handset", "handover", "service"],
    ["api"],
    ["roof"],
]
ROOF = {"cli", "commands", "server", "control", "swap", "ladder", "form", "__main__"}
BELOW_THE_WATERLINE = {room for floor in FLOORS[: FLOORS.index(["recording"]) + 1] for room in floor}
HEIGHT = {room: height for height, floor in enumerate(FLOORS) for room in floor}
IMPURE = {
    "socket", "asyncio", "time", "datetime", "random", "secrets", "uuid", "os", "logging", "structlog", "threading",
    "subprocess", "select", "ssl", "io", "uvloop", "aiohttp",
}  # fmt: skip
MAX_LINES = 400
NAMELESS = {"utils", "util", "helpers", "helper", "common", "manager", "base", "misc"}


def module_of(path: Path, root: Path) -> str:
    parts = list(path.relative_to(root).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 2 else parts)


def room_of(module: str) -> str:
    """`c2c_b2bua.sip.uri` -> sip, `c2c_b2bua.cli` -> roof, `api.app` -> api."""
    parts = module.split(".")
    if parts[0] == "api":
        return "api"
    name = parts[1] if len(parts) > 1 else "__init__"
    if name.startswith("__") and name not in ROOF:
        return "__init__"  # the package's own file, or a name in it
    return "roof" if name in ROOF else name


def imports(tree: ast.Module) -> Iterator[tuple[str, int, bool]]:
    """(module, line, whether only under `if TYPE_CHECKING:`), also of imports inside functions."""
    guarded = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                yield name.name, node.lineno, id(node) in guarded
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            if module == "c2c_b2bua":
                for name in node.names:
                    yield f"c2c_b2bua.{name.name}", node.lineno, id(node) in guarded
            else:
                yield module, node.lineno, id(node) in guarded


def is_house(module: str) -> bool:
    return module.split(".")[0] in ("c2c_b2bua", "api")


def violations(root: Path) -> list[str]:
    """All that breaks the rule, as `file:line: what`."""
    found = []
    for path in sorted([*root.glob("c2c_b2bua/**/*.py"), *root.glob("api/**/*.py")]):
        where = path.relative_to(root)
        text = path.read_text()
        lines = text.count("\n")
        if lines > MAX_LINES:
            found.append(f"{where}: {lines} lines, above {MAX_LINES}")
        if path.stem in NAMELESS or path.parent.name in NAMELESS:
            found.append(f"{where}: a name that says nothing")
        if "migrations" in where.parts:
            continue  # run by Alembic, imported by nobody
        room = room_of(module_of(path, root))
        if room not in HEIGHT:
            found.append(f"{where}: the room {room} is on no floor")
            continue
        tree = ast.parse(text)
        for module, line, is_type in imports(tree):
            if module.startswith("."):
                found.append(f"{where}:{line}: a relative import")
            elif is_house(module):
                other = room_of(module)
                if other == room or other == "__init__":
                    continue
                if HEIGHT.get(other, len(FLOORS)) >= HEIGHT[room]:
                    found.append(f"{where}:{line}: {room} imports {module}, which is not below it")
            elif room in BELOW_THE_WATERLINE and module.split(".")[0] in IMPURE and not is_type:
                found.append(f"{where}:{line}: {module} below the waterline")
        if room in BELOW_THE_WATERLINE:
            found += [f"{where}:{line}: {what} below the waterline" for line, what in impurities(tree)]
    return found


def impurities(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.AsyncFunctionDef | ast.Await | ast.AsyncFor | ast.AsyncWith):
            yield node.lineno, type(node).__name__
        elif (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("print", "input", "open")
        ):
            yield node.lineno, f"{node.func.id}()"
        elif isinstance(node, ast.Global):
            yield node.lineno, "global"


def test_the_house_stands() -> None:
    assert violations(ROOT) == []


def test_every_room_of_the_design_is_on_a_floor() -> None:
    rooms = {room_of(module_of(path, ROOT)) for path in ROOT.glob("c2c_b2bua/**/*.py")}
    assert rooms <= set(HEIGHT)
    assert {"sip", "transaction", "dialog", "call", "b2bua", "engine", "service", "transport", "storage"} <= rooms


# ── the checker itself ───────────────────────────────────────────────────────────────────────────────────────────────

PURE = "from c2c_b2bua.sip.uri import Uri\n"


@pytest.mark.parametrize(
    ("file", "text", "complaints"),
    [
        ("c2c_b2bua/dialog/leg.py", PURE, []),
        ("c2c_b2bua/sip/uri.py", "from c2c_b2bua.dialog.leg import Leg\n", ["sip imports c2c_b2bua.dialog.leg"]),
        ("c2c_b2bua/sip/uri.py", "def f():\n    import c2c_b2bua.engine\n", ["sip imports c2c_b2bua.engine"]),
        ("c2c_b2bua/sip/uri.py", "from c2c_b2bua import engine\n", ["sip imports c2c_b2bua.engine"]),
        ("c2c_b2bua/sip/uri.py", "from c2c_b2bua import __version__\n", []),
        ("c2c_b2bua/call/call.py", "from c2c_b2bua.registration.registrar import R\n", ["call imports"]),
        ("c2c_b2bua/storage/documents.py", "import c2c_b2bua.transport.udp\n", ["storage imports"]),
        ("c2c_b2bua/service/calls.py", "from api.app import app\n", ["service imports api.app"]),
        ("api/app.py", "from c2c_b2bua.cli import main\n", ["api imports c2c_b2bua.cli"]),
        ("c2c_b2bua/cli.py", "from api.app import app\nfrom c2c_b2bua.commands.demo import demo\n", []),
        ("c2c_b2bua/call/call.py", "from . import bridge\n", ["relative"]),
        ("c2c_b2bua/sip/flow.py", "import socket\n", ["socket below the waterline"]),
        ("c2c_b2bua/sip/flow.py", "from os import environ\n", ["os below"]),
        ("c2c_b2bua/transaction/layer.py", "import time, random\n", ["time below", "random below"]),
        ("c2c_b2bua/b2bua.py", "from datetime import datetime\n", ["datetime below"]),
        ("c2c_b2bua/phone.py", "async def ring():\n    await answer()\n", ["AsyncFunctionDef", "Await"]),
        ("c2c_b2bua/dialog/leg.py", "print('x')\n", ["print()"]),
        ("c2c_b2bua/transport/udp.py", "import socket\nasync def f() -> None: ...\n", []),
        (
            "c2c_b2bua/dialog/leg.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from c2c_b2bua.call.call import Call\n",
            ["dialog imports c2c_b2bua.call.call"],
        ),
        (
            "c2c_b2bua/call/bridge.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from c2c_b2bua.call.call import Call\n",
            [],
        ),
        ("c2c_b2bua/attic/x.py", "", ["attic is on no floor"]),
        ("c2c_b2bua/sip/utils.py", "", ["says nothing"]),
        ("c2c_b2bua/helpers/uri.py", "", ["says nothing", "on no floor"]),
        ("c2c_b2bua/sip/uri.py", "x = 1\n" * 401, ["401 lines"]),
        ("c2c_b2bua/sip/uri.py", "x = 1\n" * 400, []),
    ],
)
def test_the_checker_sees(tmp_path: Path, file: str, text: str, complaints: list[str]) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(text)
    found = violations(tmp_path)
    assert len(found) == len(complaints)
    for line, complaint in zip(found, complaints, strict=True):
        assert complaint in line
