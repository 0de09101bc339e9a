"""The Python example of the README runs as it is printed."""

from __future__ import annotations

import re

import pytest

from deployments.local.home import PROJECT_ROOT
from tests.live import Live


def test_the_readme_example_runs(
    stack: Live, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Copied from the document and executed: it prints the SQL, then the answer."""
    (code,) = re.findall(r"```python\n(.*?)```", (PROJECT_ROOT / "README.md").read_text(), re.DOTALL)
    monkeypatch.setenv("BQ_COPILOT_HOME", str(stack.home.root))
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    example: dict[str, object] = {}
    exec(compile(code, "README.md", "exec"), example)
    said = capsys.readouterr().out
    assert "SELECT" in said
    assert "offline model" in said.lower()
    assert len(example["frame"]) == 12  # type: ignore[arg-type]
