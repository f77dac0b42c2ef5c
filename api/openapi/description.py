"""All that is said of the HTTP doors."""

from __future__ import annotations

from functools import cache

from api.openapi.door import Description
from api.openapi.kazoo import KAZOO
from api.openapi.kazoo_v1 import KAZOO_V1
from api.openapi.omicall import OMICALL
from api.openapi.service import SERVICE
from api.openapi.tvox import TVOX

DIALECTS = [KAZOO, KAZOO_V1, TVOX, OMICALL, SERVICE]


@cache
def description() -> Description:
    """Made once in the life of a process: it says nothing of any configuration."""
    return Description(DIALECTS)
