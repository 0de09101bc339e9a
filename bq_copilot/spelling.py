"""When two spellings name the same person.

Decides only how names are compared. Compatibility forms, case, invisible characters and white space make no
difference, because each of them would let one person pass for two.
"""

from __future__ import annotations

import unicodedata


def plain(name: str) -> str:
    """Return the form in which names are compared; empty when nothing visible is left."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    kept = "".join(c for c in folded if unicodedata.category(c) not in {"Cc", "Cf", "Co", "Cs", "Cn"})
    return " ".join(kept.split())
