"""Seeds of the sample data that the tests of this folder share."""

from pathlib import Path

import pytest

from deployments.local.sample_data.files import write_shop
from deployments.local.sample_data.shop import draw_shop
from tests.sample_data.frames import Frames


@pytest.fixture(scope="session")
def frames(tmp_path_factory: pytest.TempPathFactory) -> Frames:
    """A twentieth of the sample data, written once."""
    return seeded(tmp_path_factory.mktemp("seed"), scale=0.05)


def seeded(folder: Path, scale: float) -> Frames:
    for _ in write_shop(draw_shop(scale=scale), folder):
        pass
    return Frames(folder)
