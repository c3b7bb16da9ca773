"""A patient's own page, as `careledger wallet page` serves it."""

import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.e2e.network import CARELEDGER
from tests.faults.node_process import free_port


@contextmanager
def own_page(wallet: Path) -> Iterator[str]:
    """The address of the page of the patient whose wallet that is."""
    command = [CARELEDGER, "wallet", "page", "--wallet", str(wallet)]
    process = subprocess.Popen(
        [*command, "--port", str(free_port())],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        [url] = re.findall(r"http://\S+/", line) or [pytest.fail(line)]
        yield url
    finally:
        process.terminate()
        process.communicate(timeout=30)
