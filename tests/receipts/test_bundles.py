"""A run in one file: what it holds, and that its receipts are checked without ledger, results or network."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from bq_copilot import head_signatures, signatures
from bq_copilot.checks import check_all, check_bundle
from bq_copilot.errors import Refused
from bq_copilot.exporting import export
from bq_copilot.ledger_sql import SqlLedger
from tests import recorded_runs as rr
from tests.cli.conftest import Bq, bq, home  # noqa: F401 - fixtures


def exported(folder: Path) -> tuple[rr.Recording, Path]:
    run, path = rr.finished(folder), folder / "run.zip"
    assert export(run.installation, run.run_id, path)["rows"] == run.state.seq
    return run, path


def rewritten(path: Path, member: str, old: str, new: str) -> None:
    """Replace text in one member of the file."""
    with zipfile.ZipFile(path) as archive:
        members = {n: archive.read(n) for n in archive.namelist()}
    assert old.encode() in members[member]
    members[member] = members[member].replace(old.encode(), new.encode(), 1)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)


def test_an_exported_run_verifies_where_nothing_else_is(home: Path, bq: Bq, tmp_path: Path) -> None:  # noqa: F811
    """Only the file is left: no ledger, no results, no installation; rows, approvals and texts are checked."""
    run, path = exported(home)
    kept = path.rename(tmp_path / "away.zip")
    run.ledger.close()
    (home / "ledger.db").unlink()
    found = bq("verify", str(kept), "--json")
    assert found.code == 0
    (one,) = found.json["runs"]
    assert (one["run_id"], one["rows"], one["approvals"]) == (run.run_id, run.state.seq, 1)
    assert one["texts"] >= 4


def test_the_file_holds_what_people_read_too(tmp_path: Path) -> None:
    """History as a page, answer, approval card and results stand beside the evidence."""
    _, path = exported(tmp_path)
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        assert b"US leads with 120,400" in archive.read("trace.html")
        assert archive.read("results/q1.csv").decode().splitlines()[:2] == ["country,orders", "US,120400"]
    assert {"answer.md", "cards/revision-1.md", "cards/revision-1.html", "manifest.json", "events.jsonl"} <= names


def test_an_altered_row_of_an_exported_run_is_named(tmp_path: Path) -> None:
    """The price in the approval request is changed: the row of the request is named."""
    run, path = exported(tmp_path)
    rewritten(path, "events.jsonl", '\\"total_bytes\\":12000000', '\\"total_bytes\\":1')
    found = check_bundle(path)
    asked = next(e.seq for e in run.ledger.read(run.run_id) if e.event.kind == "approval_requested")
    assert (found["verified"], found["seq"]) == (False, asked)


def test_rows_cut_off_the_end_of_an_exported_run_show(tmp_path: Path) -> None:
    """The manifest names the last row; a shorter chain fits in itself and not to it."""
    run, path = exported(tmp_path)
    with zipfile.ZipFile(path) as archive:
        last = archive.read("events.jsonl").decode().splitlines()[-1]
    rewritten(path, "events.jsonl", last + "\n", "")
    found = check_bundle(path)
    assert (found["verified"], found["seq"]) == (False, run.state.seq)


def test_an_altered_result_of_an_exported_run_names_the_row_that_read_it(tmp_path: Path) -> None:
    """Stored texts are part of the evidence."""
    run, path = exported(tmp_path)
    with zipfile.ZipFile(path) as archive:
        (text,) = (n for n in archive.namelist() if n.startswith("shelf/"))
    rewritten(path, text, "yyy", "xxx")
    seq = next(e.seq for e in run.ledger.read(run.run_id) if e.event.kind == "call_answered")
    assert check_bundle(path)["seq"] == seq


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nonsense", None])
def test_what_is_no_exported_run_is_refused_in_one_sentence(tmp_path: Path, content: bytes | None) -> None:
    """Neither an empty file nor another zip is taken for receipts."""
    path = tmp_path / "other.zip"
    if content is None:
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("manifest.json", json.dumps({"format": 99}))
    else:
        path.write_bytes(content)
    with pytest.raises(Refused, match="is not an exported run"):
        check_bundle(path)


def test_the_same_run_gives_the_same_file(tmp_path: Path) -> None:
    """No clock and no order of a dictionary is in it."""
    run, path = exported(tmp_path)
    again = tmp_path / "again.zip"
    export(run.installation, run.run_id, again)
    assert again.read_bytes() == path.read_bytes()


class Signed:
    """A run whose ledger signs every head."""

    def __init__(self, folder: Path) -> None:
        self.pem, self.key = signatures.new_key()
        self.run = rr.finished(folder)
        self.run.ledger = SqlLedger(self.run.ledger.url, signer=head_signatures.signer(self.pem))
        self.run.journal.ledger = self.run.ledger
        self.installation = self.run.installation

    def end_again(self) -> None:
        """Record something after the end, which any run allows."""
        plan = self.run.state.plan
        assert plan is not None and plan.decided is not None
        why = rr.Failure(code="late", message="too late")
        self.run.add(rr.ev.DecisionRefused(decision=plan.decided, failure=why))


def test_a_signed_head_is_checked_with_the_key_that_is_trusted(tmp_path: Path) -> None:
    """The right key verifies; another key, and a head that nobody signed, do not."""
    signed = Signed(tmp_path)
    run_id = signed.run.run_id
    (before,) = check_all(signed.installation, run_id, signed.key)
    assert before["error"] is not None and "not signed" in before["error"]["message"]
    signed.end_again()
    (good,) = check_all(signed.installation, run_id, signed.key)
    assert (good["verified"], good["signed_to"], good["key"]) == (True, signed.run.state.seq, signed.key)
    (bad,) = check_all(signed.installation, run_id, signatures.new_key()[1])
    assert bad["error"] is not None and "signed with another key" in bad["error"]["message"]


def test_runs_of_both_keys_verify_after_a_change_of_keys(tmp_path: Path) -> None:
    """Any of the keys that are named will do; where the old one is forgotten, the hint says how to name it."""
    signed, new = Signed(tmp_path), signatures.new_key()[1]
    signed.end_again()
    run_id = signed.run.run_id
    assert check_all(signed.installation, run_id, f"{new},{signed.key}")[0]["verified"]
    (bad,) = check_all(signed.installation, run_id, new)
    assert bad["error"] is not None and "--key NEW --key OLD" in bad["error"]["next"]


def test_a_run_that_was_written_anew_from_the_start_does_not_match_its_signature(tmp_path: Path) -> None:
    """All rows with a chain that fits, and a list of runs that agrees: only the key could have made the signature."""
    from tests.unit.test_verifying import _resealed

    signed = Signed(tmp_path)
    signed.end_again()
    run_id, ledger = signed.run.run_id, signed.run.ledger
    forged = _resealed(ledger.rows(run_id))
    with ledger._engine.begin() as c:
        for row in forged:
            c.exec_driver_sql(
                "UPDATE events SET body = ?, prev_hash = ?, hash = ? WHERE seq = ?",
                (row.body, row.prev_hash, row.hash, row.seq),
            )
    from bq_copilot.errors import Damaged
    from bq_copilot.head_signatures import check

    with pytest.raises(Damaged, match="written anew"):
        check(run_id, ledger.rows(run_id), ledger.signature_of(run_id), "")
    assert not check_all(signed.installation, run_id)[0]["verified"]


def test_the_signature_travels_with_an_exported_run(tmp_path: Path) -> None:
    """Another machine checks the head against the public key alone."""
    signed = Signed(tmp_path)
    signed.end_again()
    path = tmp_path / "run.zip"
    export(signed.installation, signed.run.run_id, path)
    assert check_bundle(path, signed.key)["verified"]
    assert not check_bundle(path, signatures.new_key()[1])["verified"]


def test_a_signing_key_that_others_can_read_signs_nothing(tmp_path: Path) -> None:
    """A key file with open rights is refused with what to do."""
    path = tmp_path / "ledger.key"
    path.write_text(signatures.new_key()[0])
    path.chmod(0o644)
    with pytest.raises(Refused, match="Others than you can read"):
        head_signatures.signer_of({head_signatures.PRIVATE: str(path)})
