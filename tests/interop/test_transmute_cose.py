"""npm @transmute/cose, which nobody here wrote, accepts the ES256 receipts that we issue."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from careledger.ledger.merkle import consistency_proof
from careledger.ledger.receipt import issue_consistency, issue_inclusion
from careledger.ledger.signature import PublicKey
from tests.example_log import MERCY, ORIGIN, RECEIPT_KEYS, example_log

SCRIPT = Path(__file__).with_name("verify_receipts.js")


def coordinates(key: PublicKey) -> tuple[str, str]:
    point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), key.public)
    numbers = point.public_numbers()
    return numbers.x.to_bytes(32).hex(), numbers.y.to_bytes(32).hex()


@pytest.fixture(scope="module")
def answers(interop_modules: Path) -> dict[str, object]:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is missing: install Node.js")
    log, key = example_log(), RECEIPT_KEYS[MERCY]
    issuer = f"{ORIGIN}/{MERCY}"
    x, y = coordinates(key.public)
    inclusions = [
        {
            "entry": log.entries[index].hex(),
            "receipt": issue_inclusion(
                key, issuer, log.root(), index, log.size, log.path(index)
            ).hex(),
        }
        for index in range(log.size)
    ]
    consistencies = [
        {
            "old": log.root(first).hex(),
            "new": log.root().hex(),
            "receipt": issue_consistency(
                key,
                issuer,
                log.root(),
                first,
                log.size,
                consistency_proof(first, log.size, log.subtree),
            ).hex(),
        }
        # Its consistency check differs from RFC 9162 where the first tree is a whole subtree.
        for first in (3, 5, 6)
    ]
    asked = {"x": x, "y": y, "inclusions": inclusions, "consistencies": consistencies}
    run = subprocess.run(
        [node, SCRIPT], input=json.dumps(asked), capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    answer = json.loads(run.stdout)
    assert isinstance(answer, dict)
    return answer


def test_every_inclusion_receipt_is_accepted(answers: dict[str, object]) -> None:
    assert answers["inclusions"] == [example_log().root().hex()] * example_log().size


def test_an_inclusion_receipt_for_another_entry_is_not(answers: dict[str, object]) -> None:
    assert answers["swapped"] == "refused"


def test_consistency_receipts_are_accepted(answers: dict[str, object]) -> None:
    assert answers["consistencies"] == [True] * 3
