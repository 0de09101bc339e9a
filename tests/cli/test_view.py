"""`view` over HTTP: what it answers, and that it changes nothing and answers to nobody else."""

from __future__ import annotations

import hashlib
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from bq_copilot.viewer import serving
from tests import recorded_runs as rr


@pytest.fixture
def runs(tmp_path: Path) -> tuple[rr.Recording, rr.Recording]:
    """A finished run of ann and a waiting one of bob, whose question is a hostile text."""
    done = rr.finished(tmp_path)
    question = "<script>alert(1)</script> How many refunds?"
    return done, rr.waiting_for_approval(tmp_path, key="key-2", requester="bob", question=question)


@pytest.fixture
def site(runs: tuple[rr.Recording, rr.Recording]) -> Iterator[httpx.Client]:
    """The pages of their ledger."""
    with serving(runs[0].installation) as address, httpx.Client(base_url=address) as client:
        yield client


def test_the_list_is_filtered_by_phase_requester_date_and_words(
    site: httpx.Client, runs: tuple[rr.Recording, rr.Recording]
) -> None:
    """Each filter leaves the runs that fit; together they must all hold."""
    done, waiting = (r.run_id for r in runs)

    def shown(query: str) -> set[str]:
        text = site.get(f"/?{query}").text
        return {r for r in (done, waiting) if f"/runs/{r}" in text}

    assert shown("") == {done, waiting}
    assert shown("phase=completed") == {done}
    assert shown("requester=bob") == {waiting}
    assert shown("q=REFUNDS+how") == {waiting}
    assert shown("q=refunds&phase=completed") == set()
    assert shown("since=2000-01-01&until=2000-12-31") == set()
    assert shown("since=2000-01-01") == {done, waiting}
    assert shown("phase=nonsense&page=-1&since=yesterday") == {done, waiting}


def test_a_run_has_its_page_and_its_json(site: httpx.Client, runs: tuple[rr.Recording, rr.Recording]) -> None:
    """The history as a page, and the documented JSON of `trace` beside it."""
    done, _ = runs
    page = site.get(f"/runs/{done.run_id}")
    assert page.status_code == 200
    for part in ("US leads with 120,400 orders", "receipts verified", "State", 'aria-label="Events"'):
        assert part in page.text
    assert site.get(f"/runs/{done.run_id}.json").json()["run_id"] == done.run_id


def test_texts_of_others_are_text_on_every_page(site: httpx.Client, runs: tuple[rr.Recording, rr.Recording]) -> None:
    """A question with markup shows as it was typed; the only script is the page's own."""
    for path in ("/", f"/runs/{runs[1].run_id}", "/?q=%3Cscript%3Ealert(1)"):
        text = site.get(path).text
        assert text.count("<script") == 1
        assert "&lt;script&gt;alert(1)" in text


def test_nothing_can_be_changed_and_nobody_else_is_answered(
    site: httpx.Client, runs: tuple[rr.Recording, rr.Recording], tmp_path: Path
) -> None:
    """Only GET and HEAD, only under its own name, only paths that are pages; the ledger stays as it was."""
    runs[0].ledger.close()
    before = hashlib.sha256((tmp_path / "ledger.db").read_bytes()).hexdigest()
    run = f"/runs/{runs[0].run_id}"
    assert {site.request(m, run).status_code for m in ("POST", "PUT", "DELETE", "PATCH")} == {501}
    assert site.get(run, headers={"Host": "evil.example"}).status_code == 421
    assert {site.get(p).status_code for p in ("/runs/r-none", "/runs/../../etc/passwd", "/x", "/runs/")} == {404}
    assert site.head(run).content == b""
    policy = site.get(run).headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy
    assert hashlib.sha256((tmp_path / "ledger.db").read_bytes()).hexdigest() == before


def test_it_listens_on_this_machine_only(site: httpx.Client) -> None:
    """The address is 127.0.0.1; nothing is open on the machine's other addresses."""
    port = urlsplit(str(site.base_url)).port
    assert site.base_url.host == "127.0.0.1"
    with socket.socket() as other:
        other.bind(("127.0.0.2", port or 0))  # free: the server has not taken every address


def test_many_readers_at_once_are_all_answered(site: httpx.Client, runs: tuple[rr.Recording, rr.Recording]) -> None:
    """One ledger reader serves them in turn."""
    codes: list[int] = []
    path = f"{site.base_url}runs/{runs[1].run_id}"
    threads = [threading.Thread(target=lambda: codes.append(httpx.get(path, timeout=30).status_code)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [200] * 8
