"""Looking at a project, read only: what of the plan is there, what is missing, and what to do next.

Decides: one finding for each part of the plan. Never does: write; what it asks is testIamPermissions, datasets.get,
tables.list and dry runs, as the accounts that will do the work. Why this shape: a token that is given and a dry run
that passes say more than a list of bindings would.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from bq_copilot.errors import CopilotError, Refused
from deployments.gcp_plan import Wanted, parts_of

THERE, MISSING, UNKNOWN = "there", "missing", "unknown"

TOO_MUCH = (
    "bigquery.datasets.create",
    "bigquery.tables.create",
    "bigquery.tables.updateData",
    "bigquery.tables.delete",
)
"""What no account of ours needs in a whole project."""


class Project(Protocol):
    """A project as one of our accounts sees it. Raises CopilotError."""

    def price(self, account: str) -> None:
        """Dry-run `SELECT 1`: the account can be acted as, and may make jobs."""
        ...

    def count_tables(self, account: str, dataset: str) -> int:
        """Count what the account sees in a dataset."""
        ...

    def dataset(self, account: str, dataset: str) -> dict[str, Any]:
        """Return a dataset as BigQuery shows it to the account."""
        ...

    def granted(self, account: str, permissions: Sequence[str]) -> set[str]:
        """Return which of these the account has in the whole project."""
        ...


@dataclass(frozen=True)
class Finding:
    """One thing that should be there."""

    what: str
    state: str
    found: str
    next: str = ""


def check(wanted: Wanted, project: Project) -> list[Finding]:
    """Look at everything; one thing that is missing hides no other."""
    found = [_account(wanted, project, a) for a in (wanted.reader, *wanted.runners)]
    found += [_dataset(wanted, project, a, d) for d in wanted.datasets for a in (wanted.reader, *wanted.runners)]
    found += [*_scratch(wanted, project), *(_bounded(project, a) for a in (wanted.reader, *wanted.runners))]
    quota = "no read-only call shows custom quotas to these accounts"
    return [*found, Finding("custom quotas", UNKNOWN, quota, "look at IAM & Admin > Quotas: Query usage per day")]


def is_ready(findings: Iterable[Finding]) -> bool:
    """Whether nothing that was looked for is missing."""
    return not any(f.state == MISSING for f in findings)


def _account(wanted: Wanted, project: Project, account: str) -> Finding:
    what = f"acts as {account}, makes jobs"
    try:
        project.price(account)
    except CopilotError as error:
        part = "impersonation" if error.code == "not_impersonated" else "jobs"
        return _trouble(wanted, what, error, part, account)
    return Finding(what, THERE, "a dry run passed")


def _dataset(wanted: Wanted, project: Project, account: str, dataset: str) -> Finding:
    what = f"{account} reads {dataset}"
    try:
        count, location = project.count_tables(account, dataset), project.dataset(account, dataset).get("location", "")
    except CopilotError as error:
        return _trouble(wanted, what, error, "data", account, dataset)
    if str(location).upper() != wanted.location.upper():
        move = f"jobs run where the data is: use --location {location}, or name other datasets"
        return Finding(what, MISSING, f"it lies in {location}, not in {wanted.location}", move)
    return Finding(what, THERE, f"{count} tables in {location}")


def _scratch(wanted: Wanted, project: Project) -> list[Finding]:
    name, what = f"{wanted.project}.{wanted.scratch}", f"scratch dataset {wanted.scratch}"
    try:
        seen = project.dataset(wanted.runners[0], name)
    except CopilotError as error:
        return [_trouble(wanted, what, error, "scratch")]
    location, life = str(seen.get("location", "")), int(seen.get("defaultTableExpirationMs") or 0)
    found = [Finding(what, THERE, f"in {location}; tables live {life / 86_400_000:g} days")]
    if location.upper() != wanted.location.upper():
        wrong = f"it lies in {location}, not in {wanted.location}"
        found = [Finding(what, MISSING, wrong, "name another scratch dataset with --scratch")]
    elif not life:
        seconds = wanted.scratch_days * 86_400
        mend = f"bq update --default_table_expiration={seconds} {wanted.project}:{wanted.scratch}"
        found = [Finding(what, MISSING, "its tables never expire", mend)]
    return [*found, *(_writer(wanted, seen, a) for a in (*wanted.runners, wanted.reader))]


def _writer(wanted: Wanted, seen: dict[str, Any], account: str) -> Finding:
    """Who may write is on the dataset's own list, when the account may see it; the reading account must not be."""
    listed = seen.get("access")
    writes = any(
        entry.get("role") in {"WRITER", "OWNER", "roles/bigquery.dataEditor", "roles/bigquery.dataOwner"}
        and account in {entry.get("userByEmail"), str(entry.get("iamMember", "")).removeprefix("serviceAccount:")}
        for entry in listed or ()
    )
    reader = account == wanted.reader
    what = f"{account} {'does not write' if reader else 'writes'} {wanted.scratch}"
    if listed is None:
        grant = _commands(wanted, "data", account, wanted.scratch)
        return Finding(what, UNKNOWN, "the account may not see who writes there", "" if reader else grant)
    if reader:
        mend = "take its role on the scratch dataset away"
        return Finding(what, MISSING, "it may write", mend) if writes else Finding(what, THERE, "it is not listed")
    if writes:
        return Finding(what, THERE, "it is listed")
    return Finding(what, MISSING, "it is not listed", _commands(wanted, "data", account, wanted.scratch))


def _bounded(project: Project, account: str) -> Finding:
    what = f"{account} writes nowhere else"
    try:
        has = sorted(project.granted(account, TOO_MUCH))
    except CopilotError as error:
        return Finding(what, UNKNOWN, str(error), error.next or "look at the project's IAM page")
    if has:
        mend = "take the project-wide role away that gives it; roles/bigquery.jobUser is enough"
        return Finding(what, MISSING, f"it has {', '.join(has)} in the whole project", mend)
    return Finding(what, THERE, "no right to write in the whole project")


def _trouble(wanted: Wanted, what: str, error: CopilotError, part: str, *about: str) -> Finding:
    """A refusal is something missing; what passes by itself was not seen."""
    if error.code == "no_credentials":
        return Finding(what, UNKNOWN, str(error), error.next)
    if isinstance(error, Refused):
        return Finding(what, MISSING, str(error), _commands(wanted, part, *about))
    return Finding(what, UNKNOWN, str(error), "try again")


def _commands(wanted: Wanted, part: str, *about: str) -> str:
    """Return the commands of a part that are about this account or dataset; all of them when none is."""
    commands = next(p.commands for p in parts_of(wanted) if p.name == part)
    return "\n".join([c for c in commands if all(word in c for word in about)] or commands)
