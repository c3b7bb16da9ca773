"""The bytes of consent commands and rows, which other programs may read and write."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from careledger.apps.consent import APPLICATION
from careledger.ledger.record import decode, encode
from careledger.mechanisms.envelope import Envelope

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "consent.json").read_text())


def check(text: Any, encoded: str, type_: Any) -> None:
    value = msgspec.json.decode(json.dumps(text), type=type_)
    assert encode(value).hex() == encoded
    assert decode(bytes.fromhex(encoded), type_) == value


@pytest.mark.parametrize("vector", VECTORS["rows"], ids=lambda vector: vector["name"])
def test_row(vector: dict[str, Any]) -> None:
    check(vector["row"], vector["encoded"], Envelope)


@pytest.mark.parametrize("vector", VECTORS["commands"], ids=lambda vector: vector["name"])
def test_command(vector: dict[str, Any]) -> None:
    check(vector["command"], vector["encoded"], APPLICATION.command_type)
