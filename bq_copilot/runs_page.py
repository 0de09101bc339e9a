"""The list of runs as a page: filters for phase, requester and dates, a search, and one line a run.

Pure: it draws what it is given. The filters are in the address, so that a list can be bookmarked and needs no script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from bq_copilot.ledger import RunHead
from bq_copilot.page_shell import badge, esc, page, table
from bq_copilot.phases import Phase

ON_ONE_PAGE = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of all runs is looked for; empty means any."""

    words: str = ""
    phase: str = ""
    requester: str = ""
    since: date | None = None
    until: date | None = None
    number: int = 1

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Wanted:
        """Read the address's query; what cannot be read is left out."""
        number = query.get("page", "1")
        return cls(
            words=query.get("q", "").strip()[:200],
            phase=query.get("phase", "") if query.get("phase", "") in set(Phase) else "",
            requester=query.get("requester", "").strip()[:200],
            since=_date(query.get("since", "")),
            until=_date(query.get("until", "")),
            number=int(number) if number.isascii() and number.isdigit() and 0 < int(number) < 100_000 else 1,
        )

    def fits(self, head: RunHead) -> bool:
        """Say whether the run is one that is looked for."""
        day = head.received_at.date()
        text = f"{head.run_id} {head.question} {head.requester}".casefold()
        return (
            (not self.phase or head.phase == self.phase)
            and (not self.requester or head.requester == self.requester)
            and (self.since is None or day >= self.since)
            and (self.until is None or day <= self.until)
            and all(word in text for word in self.words.casefold().split())
        )

    def address(self, number: int) -> str:
        """Return the address of another page of the same list."""
        values = {
            "q": self.words,
            "phase": self.phase,
            "requester": self.requester,
            "since": self.since.isoformat() if self.since else "",
            "until": self.until.isoformat() if self.until else "",
            "page": str(number) if number > 1 else "",
        }
        return "/?" + urlencode({k: v for k, v in values.items() if v})


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def runs_page(heads: Sequence[RunHead], wanted: Wanted, found_at: str) -> str:
    """Return the page with the runs of `heads` that are wanted."""
    found = [h for h in heads if wanted.fits(h)]
    pages = max(1, -(-len(found) // ON_ONE_PAGE))
    number = min(wanted.number, pages)
    shown = found[(number - 1) * ON_ONE_PAGE : number * ON_ONE_PAGE]
    rows = [_row(h) for h in shown]
    names = ("question", "phase", "asked by", "received", "last event", "events")
    count = f"{len(found):,} of {len(heads):,} runs" + (f", page {number} of {pages}" if pages > 1 else "")
    body = (
        f'<header><h1>Runs</h1><p class="dim">{esc(found_at)}; read only</p></header>\n<main id="main">'
        f"{_form(heads, wanted)}{table(count, names, rows, numbers=(5,))}{_turn_pages(wanted, number, pages)}</main>"
    )
    return page("Runs · BigQuery Copilot", body)


def _row(head: RunHead) -> list[str]:
    return [
        f'<a href="/runs/{esc(head.run_id)}">{esc(head.question)}</a><br>'
        f'<span class="dim mono">{esc(head.run_id)}</span>',
        badge(head.phase),
        esc(head.requester),
        f'<time datetime="{head.received_at.isoformat()}">{head.received_at:%Y-%m-%d %H:%M:%S}</time>',
        f'<time datetime="{head.updated_at.isoformat()}">{head.updated_at:%Y-%m-%d %H:%M:%S}</time>',
        f"{head.seq:,}",
    ]


def _form(heads: Sequence[RunHead], wanted: Wanted) -> str:
    people = sorted({h.requester for h in heads} | ({wanted.requester} if wanted.requester else set()))[:500]
    since, until = (d.isoformat() if d else "" for d in (wanted.since, wanted.until))
    return (
        '<form class="filter" method="get" action="/" role="search">'
        f'<label>Search<input type="search" name="q" value="{esc(wanted.words)}"></label>'
        f'<label>Phase<select name="phase">{_options(list(Phase), wanted.phase)}</select></label>'
        f'<label>Asked by<select name="requester">{_options(people, wanted.requester)}</select></label>'
        f'<label>From<input type="date" name="since" value="{since}"></label>'
        f'<label>To<input type="date" name="until" value="{until}"></label>'
        '<button type="submit">Filter</button><a href="/">All runs</a></form>'
    )


def _options(names: Sequence[str], chosen: str) -> str:
    marks = [("", "any"), *((n, n.replace("_", " ")) for n in names)]
    return "".join(
        f'<option value="{esc(value)}"{" selected" if value == chosen else ""}>{esc(text)}</option>'
        for value, text in marks
    )


def _turn_pages(wanted: Wanted, number: int, pages: int) -> str:
    links = [(number - 1, "Newer runs")] * (number > 1) + [(number + 1, "Older runs")] * (number < pages)
    if not links:
        return ""
    items = "".join(f'<li><a href="{esc(wanted.address(n))}">{text}</a></li>' for n, text in links)
    return f'<nav aria-label="Pages"><ul>{items}</ul></nav>'
