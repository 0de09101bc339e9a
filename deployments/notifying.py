"""Tells people outside what waits for them: the recovery service's second thread.

Decides: which runs are looked at, and that nothing of this ever reaches a run: a channel that hangs or fails costs a
recorded try, one that is missing nothing. What is due says `bq_copilot.notices`; the channel is any notification block
of Prefect with the name that the policy gives, for what is one person's the block that it names for that person. Why
this shape: a notice is claimed in the ledger before it is sent, so of all hosts one sends it; a run is folded only when
its head has moved or something of it falls due, so a thousand waiting ones cost as much as one list. Without a block
the ledger is not even asked.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bq_copilot.errors import Conflict, CopilotError, Refused
from bq_copilot.events import NoticeFailed, NoticeGiven, NoticeIntended, Recorded
from bq_copilot.installation import Installation, find
from bq_copilot.journal import Journal
from bq_copilot.ledger import RunHead
from bq_copilot.notice_message import message
from bq_copilot.notices import Due, outlook
from bq_copilot.phases import WAITING, Phase
from bq_copilot.policy import Notifications
from bq_copilot.policy_file import policy_from_yaml
from deployments.channels import Channel, channel_called
from deployments.watching import Trouble

EVERY = 1.0
"""Seconds between two looks."""

FRESH, MISSING = 60.0, 10.0
"""Seconds for which policy and block count as known; and until one that is missing is looked for again."""

FOLDS = 25
"""Runs that one look reads in full; the others have their turn at the next one."""

LIMIT = 20_000

POLICY = "bq-copilot-policy"

PHASES = (*sorted(WAITING), Phase.CANCELLING, Phase.COMPENSATING, Phase.PARKED)

log = logging.getLogger("bq_copilot.notices")


@dataclass(frozen=True, slots=True)
class Seen:
    """What the last look at a run came to: its head then, and when something of it falls due if that stays."""

    seq: int
    next_at: datetime | None


@dataclass(frozen=True, slots=True)
class Setting:
    """Whom to tell what."""

    rules: Notifications
    channels: Mapping[str, Channel]
    """Those that there are, by the names of their blocks."""

    def channel_for(self, due: Due) -> Channel | None:
        """Return the channel of the person whose notice it is, else the one for all; None where neither is there."""
        return self.channels.get(self.rules.block_of(due.to)) or self.channels.get(self.rules.block)


class Notifier:
    """One process that tells."""

    def __init__(
        self,
        at: Installation,
        *,
        rules: Notifications | None = None,
        find_channel: Callable[[Installation, str], Channel | None] = channel_called,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Tell what `rules` say; by default what the policy block of the installation's environment says."""
        self._at, self._given, self._find, self._clock = at, rules, find_channel, clock
        self._setting: Setting | None = None
        self._until = float("-inf")
        self._seen: dict[str, Seen] = {}

    def look(self, most: int = FOLDS) -> list[str]:
        """Tell what is due of all runs, reading at most so many in full; return the keys of what was told."""
        setting = self._current()
        if setting is None:
            return []
        now, told, folds = self._at.ledger.now(), list[str](), 0
        heads = self._heads()
        for head in heads:
            seen = self._seen.get(head.run_id)
            if seen and seen.seq == head.seq and (seen.next_at is None or seen.next_at > now):
                continue
            if folds == most:
                break
            folds += 1
            told += self._tell(head.run_id, setting, head.seq)
        self._forget(heads)
        return told

    def tell(self, run_id: str) -> list[str]:
        """Tell what is due of one run; return the keys of what was told."""
        setting = self._current()
        return self._tell(run_id, setting) if setting else []

    def _heads(self) -> list[RunHead]:
        """Runs of which something may be due: those that stand, and those with follow-ups."""
        standing = self._at.ledger.heads(phases=[*PHASES], limit=LIMIT)
        parents = sorted(set(self._at.ledger.parents()) - {h.run_id for h in standing})
        return [*standing, *(self._at.ledger.heads(run_ids=parents, limit=len(parents)) if parents else [])]

    def _forget(self, heads: Iterable[RunHead]) -> None:
        known = {h.run_id for h in heads}
        self._seen = {run_id: seen for run_id, seen in self._seen.items() if run_id in known}

    # -- whom to tell ------------------------------------------------------------------------------------

    def _current(self) -> Setting | None:
        if self._clock() < self._until:
            return self._setting
        before, self._setting = self._setting, None
        self._until = self._clock() + MISSING  # also when what follows raises
        rules = self._given or _rules(self._at)
        names = rules.blocks if rules.kinds else []
        found = {name: channel for name in names if (channel := self._find(self._at, name)) is not None}
        if found:
            self._setting = Setting(rules, found)
            self._until = self._clock() + FRESH
        if before is None or self._setting is None or before.rules != rules or before.channels.keys() != found.keys():
            self._seen.clear()
        return self._setting

    # -- telling -----------------------------------------------------------------------------------------

    def _tell(self, run_id: str, setting: Setting, seq: int = 0) -> list[str]:
        """Look at one run and tell what is due of it; what another process was first with is looked at again."""
        events: list[Recorded] = []
        journal = Journal(self._at.ledger, run_id)
        journal.heard = lambda _before, one, _after: events.append(one)
        told: list[str] = []
        try:
            journal.refresh()
            for due in outlook(journal.state, events, self._at.ledger.now(), setting.rules).due:
                channel = setting.channel_for(due)
                told += self._give(journal, events, due, channel) if channel else []
            now = self._at.ledger.now()
            ahead = outlook(journal.state, events, now, setting.rules)
            can = any(setting.channel_for(due) for due in ahead.due)
            self._seen[run_id] = Seen(journal.state.seq, now if can else ahead.next_at)
        except Conflict:
            self._seen.pop(run_id, None)
        except Refused as error:
            self._seen[run_id] = Seen(max(seq, journal.state.seq), None)
            log.warning("nobody is told of %s: %s", run_id, error)
        return told

    def _give(self, journal: Journal, events: list[Recorded], due: Due, channel: Channel) -> list[str]:
        """Claim it, send it, record what came of it. Raises Conflict when somebody else recorded something first."""
        state = journal.state
        subject, body = message(state, events, due, self._at.ledger.now(), self._link(state.started))
        about: dict[str, Any] = {"key": due.key, "about": due.about, "attempt": due.attempt, "channel": channel.kind}
        journal.append(NoticeIntended(notice=due.notice, **about))
        error = channel.send(subject, body)
        self._settle(journal, NoticeFailed(**about, error=error) if error else NoticeGiven(**about))
        words = f"not told ({error})" if error else "told"
        log.info("%s: %s of %s", words, due.key, journal.run_id, extra={"action": "notice", "run_id": journal.run_id})
        return [] if error else [due.key]

    def _settle(self, journal: Journal, outcome: NoticeGiven | NoticeFailed) -> None:
        """Record the outcome, whatever else was recorded while the channel was at work."""
        while True:
            try:
                journal.append(outcome)
                return
            except Conflict:
                continue  # the journal has read what came first

    def _link(self, started: Any) -> str:
        """Return the address of the run's page, where its form is; empty when the UI's address is not known."""
        if not self._at.ui_url or started is None or not started.flow_run_id:
            return ""
        return f"{self._at.ui_url.rstrip('/')}/runs/flow-run/{started.flow_run_id}"


def _rules(at: Installation) -> Notifications:
    found = at.api.block(POLICY, at.environment)
    return policy_from_yaml(str(found["text"])).notifications if found else Notifications()


def watch(stop: threading.Event, every: float = EVERY) -> None:
    """Tell until told to stop; nothing that goes wrong here ends it."""
    notifier: Notifier | None = None
    trouble = Trouble(log)
    while not stop.wait(every):
        try:
            notifier = notifier or Notifier(find(os.environ))
            notifier.look()
            trouble.over()
        except CopilotError as error:
            trouble.tell(str(error))
        except Exception as error:  # noqa: BLE001 - a fault here must not end the thread; nobody would be told any more
            trouble.tell(f"{type(error).__name__} in the notifier: {error}")


def begin(stop: threading.Event) -> threading.Thread:
    """Start telling beside whatever else this process does."""
    thread = threading.Thread(target=watch, args=(stop,), daemon=True, name="notices")
    thread.start()
    return thread
