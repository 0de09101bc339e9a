"""show, runs, pending, trace and verify, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

from bq_copilot.values import Failure, ResultColumn
from tests import recorded_runs as rr
from tests.cli.conftest import Bq


def test_show_prints_the_answer_with_table_chart_citations_and_receipts(home: Path, bq: Bq) -> None:
    """A finished run is shown with everything that a reader needs to trust it."""
    run = rr.finished(home)
    found = bq("show", run.run_id)
    assert found.code == 0
    for part in ("US leads with 120,400 orders", "country", "61,250", "q1 row 0, orders", "receipts verified"):
        assert part in found.out
    assert "sandbox, not from BigQuery" in found.out
    assert "unsupported (in no cited cell): 7.5%" in found.out


def test_show_of_a_waiting_run_prints_its_card_and_how_to_decide(home: Path, bq: Bq) -> None:
    """The card in the terminal has the SQL, the price and the commands that decide."""
    run = rr.waiting_for_approval(home)
    found = bq("show", run.run_id)
    assert rr.SQL in found.out and "11.4 MiB" in found.out
    assert f"bq-copilot approve {run.run_id}" in found.out


def test_show_prints_a_question_with_its_options(home: Path, bq: Bq) -> None:
    """A clarifying question is shown with its options and the command that answers it."""
    run = rr.waiting_for_answer(home)
    found = bq("show", run.run_id)
    assert "By order date?" in found.out and f"bq-copilot answer {run.run_id}" in found.out


def test_show_prints_why_a_run_failed_and_what_to_do(home: Path, bq: Bq) -> None:
    """The error's sentence and its next step are on the screen."""
    run = rr.Recording(home).started()
    run.ended("failed", Failure(code="model_unusable", message="model output unusable", next="Try another model."))
    found = bq("show", run.run_id)
    assert (found.code, "model output unusable" in found.out) == (0, True)
    assert "→ Try another model." in found.out


def test_a_long_table_is_cut_and_says_so(home: Path, bq: Bq) -> None:
    """At most 20 rows are shown; how many there are is stated."""
    rows = [[f"c{i}", i] for i in range(50)]
    run = rr.approved(home).job().read(rows, row_count=1_234).answered()
    out = bq("show", run.run_id).out
    assert "truncated, 20 of 1,234 rows shown; 50 are stored" in out
    assert "c19" in out and "c20 " not in out.split("truncated")[0]


def test_a_damaged_run_says_that_its_receipts_do_not_verify(home: Path, bq: Bq) -> None:
    """An altered row shows where the receipts line would be."""
    run = rr.finished(home)
    _tamper(home, run.run_id, 3)
    found = bq("show", run.run_id)
    assert f"receipts of {run.run_id} do not verify at seq 3" in found.out
    assert "receipts verified" not in found.out


def _tamper(home: Path, run_id: str, seq: int) -> None:
    import sqlite3

    with sqlite3.connect(home / "ledger.db") as c:
        c.execute("UPDATE events SET at = replace(at, '20', '19') WHERE run_id = ? AND seq = ?", (run_id, seq))


def test_verify_names_the_row_and_fails(home: Path, bq: Bq) -> None:
    """verify of a tampered ledger exits 4 and names run and row; the other runs are still checked."""
    good, bad = rr.finished(home), rr.finished(home, key="key-2")
    _tamper(home, bad.run_id, 5)
    found = bq("verify", "--all", "--json")
    by_id = {r["run_id"]: r for r in found.json["runs"]}
    assert (found.code, found.json["verified"]) == (4, False)
    assert by_id[bad.run_id]["seq"] == 5 and by_id[bad.run_id]["error"]["code"] == "damaged"
    assert by_id[good.run_id]["verified"] is True


def test_verify_of_a_sound_run_says_what_was_checked(home: Path, bq: Bq) -> None:
    """verify of one run counts rows, approvals and texts, and exits 0."""
    run = rr.finished(home)
    found = bq("verify", run.run_id)
    assert found.code == 0
    assert f"{run.run_id}: receipts verified, 23 rows, 1 approvals" in found.out


def test_verify_wants_one_run_or_all(home: Path, bq: Bq) -> None:
    """verify without a run, or with both, is a usage error."""
    rr.finished(home)
    assert bq("verify").code == 2
    assert bq("verify", "r-x", "--all").code == 2


def test_runs_can_be_filtered_by_phase_and_requester(home: Path, bq: Bq) -> None:
    """Filters narrow the list; an unknown phase is a usage error that names the phases."""
    done = rr.finished(home)
    rr.waiting_for_approval(home, key="key-2", requester="bob")
    assert [r["run_id"] for r in bq("runs", "--phase", "completed", "--json").json["runs"]] == [done.run_id]
    assert [r["requester"] for r in bq("runs", "--requester", "bob", "--json").json["runs"]] == ["bob"]
    wrong = bq("runs", "--phase", "done")
    assert (wrong.code, "awaiting_approval" in wrong.err) == (2, True)


def test_pending_lists_what_waits_and_the_command_that_decides(home: Path, bq: Bq) -> None:
    """Approvals and questions are listed with id, age and the command to type."""
    approval, question = rr.waiting_for_approval(home), rr.waiting_for_answer(home, key="key-2")
    out = bq("pending").out
    assert f"bq-copilot approve {approval.run_id}" in out
    assert f"bq-copilot answer {question.run_id}" in out


def test_trace_prints_one_line_an_event(home: Path, bq: Bq) -> None:
    """The timeline in the terminal tells who did what, in order."""
    run = rr.finished(home)
    out = bq("trace", run.run_id).out
    assert out.index("ann asked via cli") < out.index("approved by ann via cli") < out.index("answer written")


def test_an_unknown_run_is_a_usage_error_with_a_way_on(home: Path, bq: Bq) -> None:
    """A wrong id exits 2, says so, and names the command that lists the right ones."""
    rr.finished(home)
    found = bq("show", "r-nothing")
    assert (found.code, found.out) == (2, "")
    assert "There is no run r-nothing." in found.err and "bq-copilot runs" in found.err


def test_errors_are_json_on_stdout_when_json_is_wanted(home: Path, bq: Bq) -> None:
    """With --json a program gets code, message and next instead of prose."""
    rr.finished(home)
    found = bq("show", "r-nothing", "--json")
    assert found.json["error"]["code"] == "unknown_run" and found.json["error"]["next"]
    usage = bq("show", "--json")
    assert (usage.code, usage.json["error"]["code"]) == (2, "usage")


def test_without_any_stack_every_verb_says_how_to_start_one(home: Path, bq: Bq) -> None:
    """No stack, no ledger: exit 5 and the command that starts one."""
    for verb in (["runs"], ["pending"], ["show", "r-1"], ["ask", "How many?"], ["approve", "r-1"]):
        found = bq(*verb)
        assert (found.code, "bq-copilot up" in found.err) == (5, True), verb


def test_a_chart_is_written_as_svg_and_png(home: Path, bq: Bq, tmp_path: Path) -> None:
    """`show --chart` writes the format that the file's name says."""
    run = rr.finished(home)
    svg, png = tmp_path / "a.svg", tmp_path / "a.png"
    assert bq("show", run.run_id, "--chart", str(svg)).code == 0
    assert bq("show", run.run_id, "--chart", str(png), "--json").code == 0
    assert b"<svg" in svg.read_bytes() and png.read_bytes().startswith(b"\x89PNG")


def test_a_chart_of_another_kind_of_file_is_refused(home: Path, bq: Bq, tmp_path: Path) -> None:
    """A file name that is neither .svg nor .png is a usage error, and nothing is written."""
    run = rr.finished(home)
    found = bq("show", run.run_id, "--chart", str(tmp_path / "a.pdf"))
    assert (found.code, "neither .svg nor .png" in found.err) == (2, True)
    assert not (tmp_path / "a.pdf").exists()


EVIL = "Bad\x1b]0;owned\x07\u202e\x9b31m\r[bold]x[/bold]"


def test_nothing_from_data_or_model_reaches_the_terminal_raw(home: Path, bq: Bq) -> None:
    """Escapes, direction marks and markup in question, SQL, rows, answer and errors are shown, not obeyed."""
    columns = (ResultColumn(name=EVIL, type="STRING"), ResultColumn(name="orders", type="INT64"))
    run = rr.Recording(home, question=EVIL).started().planned(f"SELECT '{EVIL}'", rationale=EVIL).requested()
    waiting = "".join(bq(v, *([] if v == "pending" else [run.run_id])).out for v in ("show", "trace", "pending"))
    run.decided().consumed().job().read([[EVIL, 1]], columns).answered(summary=EVIL)
    done = "".join(bq(v, *([] if v == "runs" else [run.run_id])).out for v in ("show", "trace", "runs"))
    text = waiting + done
    assert all(c.isprintable() or c == "\n" for c in text)
    assert "⟨U+001B⟩" in text and "⟨U+202E⟩" in text and "[bold]x[/bold]" in text


def test_json_is_safe_for_a_terminal_too(home: Path, bq: Bq) -> None:
    """JSON output is pure ASCII and parses back to the very text that was recorded."""
    run = rr.Recording(home, question=EVIL + "\x7f").started()
    found = bq("show", run.run_id, "--json")
    assert all(" " <= c <= "~" or c == "\n" for c in found.out)
    assert json.loads(found.out)["question"] == EVIL + "\x7f"
