"""A ladder as text: the messages of a call line by line, and what else happens between them.

A line is `LEG <- WHAT [LABEL]` (to the phone) or `LEG -> WHAT [LABEL]` (from the phone), WHAT a method or a status
(`487 INVITE` names the request that is answered, when it is not the last one). What comes after two spaces is a comment;
`lost` there, as its first word, loses the message. Other lines: `wait 30 s`, `wait for us`, `api: hang up`,
`record: KEY=VALUE …`, and `BRIDGED` for all that it takes to bridge two phones. After a REFER `api: transfer to B2,B3` says who
is rung, `api: refuse 403` that nobody is.

Lines below a message belong to it: `+ NAME: VALUE` puts a header on what a phone sends, in place of one it would send
anyway (`+ tag: VALUE` is the To tag of a response); `= NAME: VALUE` says what a header of what we sent is, all its values
joined by commas (`-`: there is none; `= uri: VALUE` is the Request-URI).

The first line may say, after a `#`, `credentials` (both parties have some), `a_delayed_offer`, `b_delayed_offer`,
`b_early_media` (so is that party), `refer` (that way to bridge), and who else is rung: `a_beside=A2,A3` at once with A,
`b_instead=B2,B3` one after the other when B fails.

LABEL is a session description, see `phone_memory.py`.
"""

from __future__ import annotations

import importlib
import itertools
import pkgutil
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from c2c_b2bua import call
from c2c_b2bua.call import reinvite

FOLDER = Path(__file__).parent / "ladders"
LINE = re.compile(
    r"(?P<leg>[AB]\d?) (?P<way><-|->) (?P<what>[A-Z]+|\d{3})"
    r"(?: (?P<of>[A-Z]+))?(?: (?P<label>[a-z0-9-]+))?(?:  +(?P<note>.*))?"
)
OTHERS = re.compile(r"([ab]_(?:beside|instead))=(\S+)")
TRAITS = re.compile(r"\b([ab])_(delayed_offer|early_media)\b")
RUNG = re.compile(r"    (?:[AB]\d? (?:<-|->) |[+=] |api: ).*")


@dataclass(frozen=True)
class Line:
    """One line; without a `leg` it is no message, and `text` is all there is."""

    number: int
    text: str
    leg: str = ""
    way: str = ""
    what: str = ""
    of: str = ""
    label: str = ""
    is_lost: bool = False
    headers: tuple[tuple[str, str], ...] = ()

    @property
    def is_from_phone(self) -> bool:
        return self.way == "->"

    @property
    def is_response(self) -> bool:
        return self.what.isdigit()

    def __str__(self) -> str:
        return self.text


def read(text: str) -> list[Line]:
    """The lines of a ladder. AssertionError for one that is none."""
    found: list[Line] = []
    rows = [row.strip() for row in text.replace("BRIDGED\n", bridged() + "\n").splitlines()]
    for number, row in enumerate(rows, 1):
        if not row or row[0] in "#+=":
            continue
        below = itertools.takewhile(lambda other: other[:2] in ("+ ", "= "), rows[number:])
        headers = tuple((name, value) for name, _, value in (other[2:].partition(": ") for other in below))
        if row.startswith(("wait ", "api: ", "record:")):
            found.append(Line(number, row))
            continue
        said = LINE.fullmatch(row)
        assert said, f"line {number} is not a line of a ladder: {row}"
        is_lost = (said["note"] or "").split()[:1] == ["lost"]
        parts = {name: said[name] or "" for name in ("leg", "way", "what", "of", "label")}
        found.append(Line(number, row, is_lost=is_lost, headers=headers, **parts))
    return found


def order_of(text: str) -> dict[str, Any]:
    """What the first line of a ladder says of the order: the arguments of a Player."""
    head = text.partition("\n")[0]
    if not head.startswith("#"):
        return {}
    order: dict[str, Any] = {name: who.split(",") for name, who in OTHERS.findall(head)}
    if "credentials" in head:
        order["credentials"] = {"username": "c2c", "password": "secret"}
    if re.search(r"\brefer\b", head):
        order["bridge"] = "refer"
    for side, trait in TRAITS.findall(head):
        order.setdefault("traits", {}).setdefault(side, {})[trait] = True
    return order


@dataclass(frozen=True)
class Ladder:
    """A ladder by its name; `order` are the arguments of its Player."""

    name: str
    text: str

    @property
    def lines(self) -> list[Line]:
        return read(self.text)

    @property
    def order(self) -> dict[str, Any]:
        return order_of(self.text)

    @classmethod
    def at(cls, path: Path) -> Ladder:
        return cls(path.stem, path.read_text(encoding="utf-8"))


def drawn(docstring: str | None) -> list[str]:
    """The ladders in a docstring, without their indentation."""
    rows = itertools.groupby((docstring or "").splitlines(), lambda row: bool(RUNG.fullmatch(row)))
    return ["\n".join(map(str.strip, group)) for is_ladder, group in rows if is_ladder]


def bridged() -> str:
    """The docstring of the reinvite way, up to the bridge."""
    return drawn(reinvite.__doc__)[0].partition("B -> BYE")[0]


AROUND = {
    "reinvite": ("", "record: cause=NORMAL_CLEARING ended_by=b sip_code=200"),
    "hunt": ("# a_beside=A2", "B -> 486\nB <- ACK\nA2 <- BYE\nA2 -> 200\nrecord: cause=USER_BUSY a.sip_code=200"),
    "delayed_offer": ("# a_delayed_offer", "record: cause=NORMAL_CLEARING ended_by=b sip_code=200"),
    "delayed_offer_2": (
        "# a_delayed_offer b_delayed_offer",
        "record: cause=NORMAL_CLEARING ended_by=b sip_code=200",
    ),
    "refer": ("# refer", "record: cause=BLIND_TRANSFER ended_by=a sip_code=200 b.sip_code=200 b.cause=BLIND_TRANSFER"),
    "transfer": (
        "BRIDGED",
        "B2 -> BYE\nB2 <- 200\nA <- BYE\nA -> 200\nrecord: ended_by=b cause=NORMAL_CLEARING b.sip_code=200",
    ),
    "early_media": ("# b_early_media", "record: cause=NORMAL_CLEARING ended_by=b sip_code=200"),
    "bridge": ("BRIDGED", "A -> BYE\nA <- 200\nB <- BYE\nB -> 200\nrecord: ended_by=a"),
}
"""What comes before and after the rungs in the docstring of a module of `c2c_b2bua/call/`, to make them a whole call."""


def docstrings() -> list[Ladder]:
    """The ladders in the docstrings of the call flows."""
    found: list[Ladder] = []
    for module in pkgutil.iter_modules(call.__path__):
        ladders = drawn(importlib.import_module(f"{call.__name__}.{module.name}").__doc__)
        for number, ladder in enumerate(ladders, 1):
            name = module.name + (f"_{number}" if number > 1 else "")
            before, after = AROUND.get(name, ("", ""))
            found.append(Ladder(f"docstring_of_{name}", "\n".join(filter(None, (before, ladder, after))) + "\n"))
    return found


def files() -> list[Ladder]:
    return [Ladder.at(path) for path in sorted(FOLDER.glob("*.txt"))]


def ladders() -> list[Ladder]:
    """All there are."""
    return [*docstrings(), *files()]
