"""Consent receipts: a file that shows offline what was consented to, and whether it stands."""

from careledger.apps.consent.commands import ConsentDenied, ConsentGranted, PaperConsentAttested
from careledger.verify.format import ConsentFile
from careledger.wallet.consents import Standing
from careledger.wallet.errors import NoConsent
from careledger.wallet.proofs import receipt_file, row_file
from careledger.wallet.wallet import Wallet

_GIVEN = ConsentGranted | ConsentDenied | PaperConsentAttested


async def consent_file(wallet: Wallet, standing: Standing, *, brief: bool = False) -> ConsentFile:
    """The receipt of a consent: with the terms, and its row on the ledger as of now.

    Brief is small enough for a QR code: it leaves the row out, and with it whether the consent
    still stands.

    Raises:
        ProofError: what the node shows does not hold.
    """
    package = None if standing.held is None else standing.held.package
    row = None
    if not brief:
        key = standing.account.account, standing.consent_id.hex()
        row = await row_file(wallet.log, "consent.envelopes", *key)
    transaction = _given_in(wallet, standing.consent_id)
    return ConsentFile(
        receipt=await receipt_file(wallet.log, transaction, brief=brief),
        terms=None if package is None else package.terms,
        salt=None if package is None else package.salt,
        standing=row,
    )


def _given_in(wallet: Wallet, consent_id: bytes) -> bytes:
    for seen in wallet.copy.seen:
        event = wallet.copy.event_of(seen)
        if isinstance(event, _GIVEN) and event.consent_id == consent_id:
            return seen.transaction
    raise NoConsent(f"there is no consent {consent_id.hex()} on the ledger")
