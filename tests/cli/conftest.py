"""The running network and Ana's wallet, for whoever asks."""

from pathlib import Path

import pytest

from tests.cli import running


@pytest.fixture
def network() -> running.Network:
    return running.network()


@pytest.fixture
def ana() -> Path:
    return running.ana()
