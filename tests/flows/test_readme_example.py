"""The Python examples of the documents run as they are printed."""

from __future__ import annotations

import re

import pytest

from deployments.local.home import PROJECT_ROOT
from tests.live import Live


def printed(document: str, stack: Live, monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """Execute the document's examples, one after the other as in a notebook, and return their names."""
    monkeypatch.setenv("BQ_COPILOT_HOME", str(stack.home.root))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    names: dict[str, object] = {}
    for code in re.findall(r"```python\n(.*?)```", (PROJECT_ROOT / document).read_text("utf-8"), re.DOTALL):
        exec(compile(code, document, "exec"), names)
    return names


def test_the_readme_example_runs(
    stack: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Copied from the document and executed: it prints the SQL, then the answer."""
    example = printed("README.md", stack, monkeypatch)
    said = capsys.readouterr().out
    assert "SELECT" in said
    assert "offline model" in said.lower()
    assert len(example["frame"]) == 12  # type: ignore[arg-type]


def test_the_examples_of_the_python_api_run(
    stack: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A question with its approval and result, the stream of its events, and a follow-up from proposal to stop."""
    example = printed("docs/python-api.md", stack, monkeypatch)
    said = capsys.readouterr().out
    assert said.startswith("awaiting_approval\n")
    assert " run_ended completed\n" in said
    shown = stack.copilot.followups.show(str(example["series"]))["follow_up"]
    assert shown["stands"] == "stopped" and shown["grant"] and shown["grant"]["ended"]
