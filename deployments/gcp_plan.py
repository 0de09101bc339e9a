"""What a real project needs for BigQuery Copilot, and the commands that make it: text, from a few names.

Decides: accounts, roles, datasets, quotas. Never does: call anything. Why this shape: an administrator reads each
command before it is typed; `gcp_check` then looks at the same plan from outside.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass

TIB_IN_MIB = 1024 * 1024
QUOTA = "bigquery.googleapis.com/quota/query/usage"


@dataclass(frozen=True)
class Wanted:
    """One installation's place in Google Cloud."""

    project: str
    location: str
    datasets: tuple[str, ...]
    """Datasets to read, as `project.dataset`."""
    scratch: str = "copilot_scratch"
    scratch_days: int = 7
    requesters: tuple[str, ...] = ()
    """Names for executing accounts of their own, beside the one for everybody."""
    tib_per_day: float = 5.0
    tib_per_account_day: float = 1.0
    reading: str = ""
    """Address of the account that plans, where it is not the one that these commands make."""
    executing: tuple[str, ...] = ()
    """The same of those that run jobs, everybody's first."""

    def account(self, name: str) -> str:
        """The address of one of our service accounts."""
        return f"bq-copilot-{name}@{self.project}.iam.gserviceaccount.com"

    @property
    def worker(self) -> str:
        """The account of workers and recovery; it may act as the others and has no data."""
        return self.account("worker")

    @property
    def reader(self) -> str:
        """The account that plans."""
        return self.reading or self.account("reader")

    @property
    def runners(self) -> tuple[str, ...]:
        """The accounts that run approved jobs: everybody's first."""
        return self.executing or tuple(self.account(n) for n in ("runner", *(f"run-{r}" for r in self.requesters)))


@dataclass(frozen=True)
class Part:
    """Some commands with one purpose."""

    name: str
    why: str
    commands: tuple[str, ...]


def parts_of(wanted: Wanted) -> tuple[Part, ...]:
    """Return everything to do, in order."""
    accounts = (wanted.worker, wanted.reader, *wanted.runners)
    services = _line("gcloud", "services", "enable", *SERVICES, f"--project={wanted.project}")
    created = (
        _line("gcloud", "iam", "service-accounts", "create", a.partition("@")[0], f"--project={wanted.project}")
        for a in accounts
    )
    return (
        Part("apis", "BigQuery, and tokens for impersonation", (services,)),
        Part("accounts", "one identity for each task; no keys are made", tuple(created)),
        Part("scratch", "the one dataset that is written; its tables go by themselves", (_scratch(wanted),)),
        Part("jobs", "planning and running need jobs in this project, nothing more", tuple(_jobs(wanted))),
        Part("data", "reading the datasets, writing the scratch dataset", tuple(_data(wanted))),
        Part("impersonation", "the worker acts as the others, for an hour at a time", tuple(_impersonation(wanted))),
        Part("quotas", "a ceiling that holds even if all of ours failed", tuple(_quotas(wanted))),
    )


SERVICES = ("bigquery.googleapis.com", "iamcredentials.googleapis.com", "cloudresourcemanager.googleapis.com")


def _line(*words: str) -> str:
    return shlex.join(words)


def _scratch(wanted: Wanted) -> str:
    seconds = wanted.scratch_days * 86_400
    name = f"{wanted.project}:{wanted.scratch}"
    return _line(
        "bq", f"--location={wanted.location}", "mk", "--dataset", f"--default_table_expiration={seconds}", name
    )


def _jobs(wanted: Wanted) -> list[str]:
    head = ("gcloud", "projects", "add-iam-policy-binding", wanted.project)
    role = ("--role=roles/bigquery.jobUser", "--condition=None")
    return [_line(*head, f"--member=serviceAccount:{a}", *role) for a in (wanted.reader, *wanted.runners)]


def _data(wanted: Wanted) -> list[str]:
    readers = (wanted.reader, *wanted.runners)
    found = [_grant(wanted, "roles/bigquery.dataViewer", d, readers) for d in wanted.datasets]
    scratch = f"{wanted.project}.{wanted.scratch}"
    return [*found, _grant(wanted, "roles/bigquery.dataEditor", scratch, wanted.runners)]


def _grant(wanted: Wanted, role: str, dataset: str, accounts: tuple[str, ...]) -> str:
    whom = ", ".join(f'"serviceAccount:{a}"' for a in accounts)
    sql = f"GRANT `{role}` ON SCHEMA `{dataset}` TO {whom}"
    return _line(
        "bq", f"--project_id={wanted.project}", f"--location={wanted.location}", "query", "--nouse_legacy_sql", sql
    )


def _impersonation(wanted: Wanted) -> list[str]:
    head, role = ("gcloud", "iam", "service-accounts", "add-iam-policy-binding"), "roles/iam.serviceAccountTokenCreator"
    tail = (f"--member=serviceAccount:{wanted.worker}", f"--role={role}", f"--project={wanted.project}")
    return [_line(*head, a, *tail) for a in (wanted.reader, *wanted.runners)]


def _quotas(wanted: Wanted) -> list[str]:
    head = ("gcloud", "alpha", "services", "quota", "update", "--service=bigquery.googleapis.com")
    place = (f"--consumer=projects/{wanted.project}", f"--metric={QUOTA}")
    limits = (("1/d/{project}", wanted.tib_per_day), ("1/d/{project}/{user}", wanted.tib_per_account_day))
    return [
        _line(*head, *place, f"--unit={unit}", f"--value={int(tib * TIB_IN_MIB)}", "--force") for unit, tib in limits
    ]
