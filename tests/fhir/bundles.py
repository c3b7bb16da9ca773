"""The shared Synthea bundles, as bytes."""

import bz2
from collections.abc import Iterator
from pathlib import Path


def synthea(shared_data: Path, *, step: int = 1) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every step-th bundle; the two that others refer to come first."""
    files = [
        *sorted((shared_data / "synthea").glob("*.json.bz2"))[::step],
        *sorted((shared_data / "synthea-2019").glob("*.json*"))[::step],
    ]
    assert files
    for file in files:
        content = file.read_bytes()
        yield file.name, bz2.decompress(content) if file.suffix == ".bz2" else content
