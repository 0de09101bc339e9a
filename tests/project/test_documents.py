"""What the documents say exists, exists: commands, make targets, links, failure ids."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from bq_copilot.cli.app import build
from deployments.local.home import PROJECT_ROOT
from tests.documents import DOCUMENTS, commands_of, expanded, inline_commands, options_of

README = PROJECT_ROOT / "README.md"
CONTRACT = PROJECT_ROOT / "docs" / "failure-contract.md"


def commands() -> set[str]:
    """Every verb of the command line."""
    return set(get_command(build()).commands)  # pyright: ignore[reportAttributeAccessIssue]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_command_in_the_documents_exists(path: Path) -> None:
    """Each `bq-copilot VERB` of a code block is a verb of the command line."""
    verbs = re.findall(r"^\$ (?:.*/)?bq-copilot ([a-z-]+)", path.read_text(), re.MULTILINE)
    assert {v for v in verbs if not v.startswith("-")} - commands() == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_option_in_the_documents_is_one_of_its_command(path: Path) -> None:
    """In what is typed, in forms, and in the middle of the text."""
    shown = [(c.text, c.words) for c in commands_of(path) if c.words[0] == "bq-copilot"]
    shown += [(text, words) for text in inline_commands(path) for words in expanded(text)]
    for text, words in shown:
        assert options_of(text) <= options(words), text


def options(words: tuple[str, ...]) -> set[str]:
    """The options of the command that these words name; in a group, only what may be left open is no command."""
    node = get_command(build())
    for word in words[1:]:
        below = getattr(node, "commands", None)
        if below is None:
            break
        if word not in below:
            assert word.startswith("-") or word == "VERB", words
            break
        node = below[word]
    return {"--help", *(o for p in node.params for o in (*p.opts, *p.secondary_opts))}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_make_target_in_the_documents_exists(path: Path) -> None:
    """Each `make TARGET` of a code block is in the Makefile."""
    targets = set(re.findall(r"^([a-z0-9]+):", (PROJECT_ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"^\$ make ([a-z0-9]+)", path.read_text(), re.MULTILINE)) - targets == set()


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda p: p.name)
def test_every_link_between_the_documents_leads_somewhere(path: Path) -> None:
    """Relative links and images name files that are there."""
    links = re.findall(r"\]\((?!https?://|#)([^)#\s]+)", path.read_text())
    assert [link for link in links if not (path.parent / link).exists()] == []


def test_readme_shows_the_two_commands_first() -> None:
    """The first screen has the two commands and the picture of the approval form."""
    screen = "\n".join(README.read_text().splitlines()[:50])
    assert all(word in screen for word in ("make demo", "make test", "docs/images/approval-form.png"))


def test_every_failure_id_has_a_test_or_a_reason() -> None:
    """No row of the contract is without a test, unless the table at its end says why."""
    text, _, later = CONTRACT.read_text().partition("## Not yet held")
    ids = set(re.findall(r"^\| (F\d\d) \|", text, re.MULTILINE))
    excused = set(re.findall(r"^\| (F\d\d) \|", later, re.MULTILINE))
    assert ids == {f"F{n:02}" for n in range(1, 31)}
    assert ids - ids_with_tests() - excused == set()
    assert excused & ids_with_tests() == set(), "it has a test: take it off the list"


def ids_with_tests() -> set[str]:
    """The failure ids in the names of tests."""
    names = "\n".join(path.read_text() for path in (PROJECT_ROOT / "tests").rglob("test_*.py"))
    return set(re.findall(r"def test_(F\d\d)_", names))


def test_the_command_line_answers_without_the_engine() -> None:
    """`--version` imports no Prefect: a command line that starts in seconds is not used."""
    code = "import sys; from bq_copilot.cli.app import run; run(['--version']); sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, check=False).returncode == 0
