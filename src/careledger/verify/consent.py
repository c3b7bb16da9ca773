"""Consent receipts: what a patient allowed, to whom, and whether it still stood later."""

import hmac
from collections.abc import Sequence

from careledger.ledger.errors import ProofError
from careledger.verify.event import event_fields
from careledger.verify.format import ConsentFile
from careledger.verify.row import check_row, check_standing
from careledger.verify.step import Step, Steps
from careledger.verify.transaction import check_receipt
from careledger.verify.trust import Trust


def check_consent(file: ConsentFile, trusts: Sequence[Trust]) -> Steps[None]:
    """Check a consent receipt: the terms, the receipt, then the state since.

    Raises:
        Malformed, ProofError: it does not show what it says.
    """
    proof = file.receipt.proof
    granted = [event for event in proof.events if event.application == "consent"]
    if not granted:
        raise ProofError("the transaction has no event of a consent")
    if (file.terms is None) != (file.salt is None):
        raise ProofError("terms and salt belong together")
    if file.terms is not None and file.salt is not None:
        commitment = hmac.digest(file.salt, file.terms, "sha256")
        if not any(commitment in event_fields(event).values() for event in granted):
            raise ProofError("these terms are not those consented to", actual=commitment.hex())
        yield Step(sentence="The terms given here are those that the consent commits to.")
    yield from check_receipt(file.receipt, trusts)
    if file.standing is not None:
        check_standing(file.standing, proof.index, file.receipt.chain)
        yield from check_row(file.standing, trusts)
