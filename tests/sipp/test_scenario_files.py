"""The scenarios themselves: SIPp ends at once when one speaks of what it does not know."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

SCENARIOS = sorted((Path(__file__).parents[2] / "sipp_scenarios").glob("*.xml"))


@pytest.mark.parametrize("path", SCENARIOS, ids=lambda path: path.stem)
def test_every_variable_is_set_somewhere_and_used_somewhere(path: Path) -> None:
    text = path.read_text()
    root = ElementTree.fromstring(text)
    given: set[str] = set()
    used: set[str] = set(re.findall(r"\[\$(\w+)\]", text))
    for element in root.iter():
        assigned = [*element.get("assign_to", "").split(","), element.get("variable", "")]
        given |= {name.strip() for name in assigned if name.strip()}
        named = element.get("variables", "").split(",") if element.tag in ("Reference", "Global", "User") else []
        used |= {
            name.strip()
            for name in [*named, element.get("test", ""), element.get("variable", ""), element.get("variable2", "")]
            if name.strip()
        }
        if element.tag in ("Global", "User"):
            given |= {name.strip() for name in named}
    assert used <= given, f"never set: {used - given}"
    assert given <= used, f"SIPp wants to see these used, or named in <Reference>: {given - used}"
