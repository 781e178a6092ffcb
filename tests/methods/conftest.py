"""The tiny backbone whose weights are written down, for tests against slow references."""

from __future__ import annotations

import pytest

from tests.tiny import tiny_backbone


@pytest.fixture(scope="session")
def tiny():
    return tiny_backbone()
