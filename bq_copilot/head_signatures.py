"""Signed heads: what an Ed25519 key says about the last row of a run, and whether that holds.

A hash chain shows that a row was altered, as long as not all rows after it were made anew. A signature over the head
shows that too: whoever rewrites the whole run needs the key. The key is optional, belongs to whoever appends (worker,
command line), and is named by BQ_COPILOT_SIGNING_KEY.
"""

from __future__ import annotations

import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bq_copilot.canonical import canonical_json
from bq_copilot.errors import Damaged, Refused
from bq_copilot.receipts import Row

PRIVATE = "BQ_COPILOT_SIGNING_KEY"
"""Variable with the path of the private key that heads are signed with."""

PUBLIC = "BQ_COPILOT_VERIFY_KEY"
"""Variable with the public key that every head must be signed with; several, with commas between: any of them."""


@dataclass(frozen=True, slots=True)
class Signed:
    """What a key says: this was the hash of row `seq` of this run."""

    run_id: str
    seq: int
    hash: str
    key: str
    signature: str


Signer = Callable[[str, int, str], Signed]


def message(run_id: str, seq: int, hash: str) -> bytes:
    """Return the bytes that are signed."""
    return canonical_json(["bq-copilot head 1", run_id, seq, hash])


def signer_of(environ: Mapping[str, str]) -> Signer | None:
    """Return the signer that the environment names, None for none. Raises Refused (`no_key`, `key_exposed`)."""
    named = environ.get(PRIVATE, "")
    return signer(_read(Path(named).expanduser())) if named else None


def signer(pem: str) -> Signer:
    """Return what signs with this private key."""
    from bq_copilot import signatures  # noqa: PLC0415 - loads the signature library; most installations sign nothing

    key = signatures.public_key(pem)

    def sign(run_id: str, seq: int, hash: str) -> Signed:
        return Signed(run_id, seq, hash, key, signatures.sign(pem, message(run_id, seq, hash)))

    return sign


def trusted_key(environ: Mapping[str, str]) -> str:
    """Return the public keys, with commas between, of which one must have signed each head; empty when none must."""
    named = environ.get(PUBLIC, "")
    if named or not environ.get(PRIVATE):
        return named
    from bq_copilot import signatures  # noqa: PLC0415 - see signer

    return signatures.public_key(_read(Path(environ[PRIVATE]).expanduser()))


def _read(path: Path) -> str:
    try:
        if stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise Refused(f"Others than you can read {path}.", code="key_exposed", next=f"`chmod 600 {path}`.")
        return path.read_text(encoding="ascii")
    except OSError as error:
        hint = f"Make one with `bq-copilot keys create ledger`, or unset {PRIVATE}."
        raise Refused(f"The signing key {path} cannot be read: {error.strerror}.", code="no_key", next=hint) from error


def check(run_id: str, rows: Sequence[Row], found: Signed | None, trusted: str) -> int:
    """Return up to which row the run is signed, 0 for not at all. Raises Damaged at the row that does not fit."""
    keys = trusted.replace(",", " ").split()
    if found is None:
        if keys:
            raise _damaged(run_id, len(rows) or 1, "its head is not signed with the key that was asked for", _UNSIGNED)
        return 0
    from bq_copilot import signatures  # noqa: PLC0415 - see signer

    if keys and found.key not in keys:
        raise _damaged(run_id, found.seq, f"its head is signed with another key, {found.key}", _OTHER_KEY)
    if not signatures.is_signed(found.key, found.signature, message(run_id, found.seq, found.hash)):
        raise _damaged(run_id, found.seq, "the signature of its head does not verify")
    if found.seq > len(rows):
        raise _damaged(run_id, len(rows) + 1, f"row {found.seq} was signed, the last row is {len(rows)}")
    if rows[found.seq - 1].hash != found.hash:
        raise _damaged(run_id, found.seq, "the row is not the one that was signed; the run was written anew")
    return found.seq


_UNSIGNED = (
    "If it ended before there was a signing key, check it without a key; "
    "else somebody wrote to the ledger who does not have it: compare the ledger with its last backup."
)
_OTHER_KEY = (
    "If that was your key before a change of keys, name both: `--key NEW --key OLD`; "
    "else compare the ledger with its last backup."
)


def _damaged(run_id: str, seq: int, why: str, hint: str = "") -> Damaged:
    return Damaged(
        f"receipts of {run_id} do not verify at seq {seq}: {why}",
        seq=seq,
        next=hint or "Nothing runs on top of it. Compare the ledger with its last backup before you go on.",
    )
