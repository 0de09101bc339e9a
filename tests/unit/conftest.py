"""Unit tests stay quick: fewer examples than hypothesis takes by itself."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("unit", max_examples=30, deadline=None)
settings.load_profile("unit")
