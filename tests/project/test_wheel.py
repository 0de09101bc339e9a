"""The built wheel: what it carries, and that it works where nothing of the checkout is."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
import tomllib
import zipfile
from pathlib import Path

import pytest

from bq_copilot.version import __version__
from deployments.local.home import PROJECT_ROOT

UV = str(Path(sys.executable).with_name("uv"))


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from a copy of the sources: a build must not need, or leave, anything beside them."""
    folder = tmp_path_factory.mktemp("wheel")
    ignored = shutil.ignore_patterns(".*", "__pycache__", "*.pyc", "tests")
    shutil.copytree(PROJECT_ROOT, folder / "source", ignore=ignored)
    said = subprocess.run(
        [UV, "build", "--quiet", "--wheel", "--out-dir", str(folder / "dist"), str(folder / "source")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr
    (built,) = (folder / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh environment with the wheel; its dependencies come from this environment by path, not by download."""
    venv = tmp_path_factory.mktemp("fresh") / "venv"
    subprocess.run([UV, "venv", "--quiet", "--python", sys.executable, str(venv)], check=True)
    python = venv / "bin" / "python"
    subprocess.run([UV, "pip", "install", "--quiet", "--no-deps", "--python", str(python), str(wheel)], check=True)
    (packages,) = (venv / "lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return venv


def test_the_wheels_only_import_name_is_bq_copilot(wheel: Path) -> None:
    """No `tasks` or `flows` at the top level, names that users' own projects have."""
    tops = {name.split("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"bq_copilot", f"bq_copilot-{__version__}.dist-info"}


def test_the_wheel_carries_the_project_that_prefect_deploys(wheel: Path) -> None:
    """The four folders and prefect.yaml travel inside, prompts and policy too, compiled files do not."""
    names = zipfile.ZipFile(wheel).namelist()
    inside = {name.split("/")[2] for name in names if name.startswith("bq_copilot/_project/")}
    assert inside == {"blocks", "deployments", "flows", "prefect.yaml", "tasks"}
    assert {"bq_copilot/_project/deployments/local/policy.yaml"} <= set(names)
    assert any(name.startswith("bq_copilot/prompts/") for name in names)
    assert not [name for name in names if "__pycache__" in name or name.endswith(".pyc")]


def test_the_installed_command_says_its_version(installed: Path, tmp_path: Path) -> None:
    """`bq-copilot --version` runs from a fresh environment, in another folder."""
    said = subprocess.run(
        [str(installed / "bin" / "bq-copilot"), "--version"], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert said.stdout.strip() == f"bq-copilot {__version__}"


def test_the_installed_package_is_the_wheels_own(installed: Path, tmp_path: Path) -> None:
    """Neither the package nor the stack's commands come from the checkout."""
    code = (
        "import bq_copilot, bq_copilot.cli.local as local; list(local.sub_apps()); import deployments.local.commands;"
        "print(bq_copilot.__file__); print(deployments.__file__)"
    )
    said = subprocess.run(
        [str(installed / "bin" / "python"), "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert all(line.startswith(str(installed)) for line in said.stdout.split())


def test_every_dependency_has_a_reason_beside_it() -> None:
    """A pin or a package without a reason cannot be lifted or dropped by anybody later."""
    text = (PROJECT_ROOT / "pyproject.toml").read_text()
    project = tomllib.loads(text)
    wanted = [*project["project"]["dependencies"], *project["dependency-groups"]["dev"]]
    lines = [line.strip() for line in text.splitlines()]
    bare = [w for w in wanted if not any(x.startswith(f'"{w}"') and "#" in x for x in lines)]
    assert bare == []
