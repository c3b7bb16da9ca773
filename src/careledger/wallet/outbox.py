"""The outbox: terms on their way to those they concern, tried again until each has signed for them.

What is sent is signed anew each time, by each of the patient's accounts that it names, because a
signature counts for minutes only.
"""

from msgspec.structs import replace

from careledger.ledger.errors import LedgerError
from careledger.ledger.record import AccountId, MemberId, encode
from careledger.mechanisms.delivery import (
    SignedTerms,
    TermsPackage,
    sign_package,
    verify_acknowledgement,
)
from careledger.mechanisms.messages import TERMS
from careledger.wallet.contents import Delivery, HeldConsent
from careledger.wallet.post import MAILBOX_PATH, gateway_of, seal_letter
from careledger.wallet.wallet import Wallet


async def deliver(wallet: Wallet, held: HeldConsent) -> HeldConsent:
    """Try everyone who has not signed for the terms; kept after each, whatever came of it."""
    for delivery in held.deliveries:
        if delivery.standing == "delivered":
            continue
        after = await _try(wallet, held.package, delivery)
        others = (after if one.member == after.member else one for one in held.deliveries)
        held = replace(held, deliveries=tuple(others))
        wallet.keep(wallet.contents.with_consent(held))
    return held


async def _try(wallet: Wallet, package: TermsPackage, delivery: Delivery) -> Delivery:
    """One try at one organisation; failing is a state of the delivery, not an error."""
    now = wallet.clock()
    member = MemberId(delivery.member)
    try:
        url = gateway_of(wallet.view, member) + MAILBOX_PATH
        body = encode(_signed(wallet, package))
        letter = seal_letter(wallet.view, wallet.chain, member, TERMS, body)
        answer = await wallet.post.send(url, letter)
        said = verify_acknowledgement(answer, package, wallet.view, wallet.chain, wallet.clock())
    except LedgerError as error:
        return replace(delivery, tried=now, trouble=str(error) or type(error).__name__)
    if said.member != member:
        return replace(delivery, tried=now, trouble=f"{said.member} signed for it")
    return replace(delivery, tried=now, trouble="", acknowledgement=answer, standing=said.standing)


def _signed(wallet: Wallet, package: TermsPackage) -> SignedTerms:
    members = [package.custodian]
    if package.grantee is not None and package.grantee_account is not None:
        members.append(package.grantee)
    signatures: list[bytes] = []
    for member in members:
        held = wallet.contents.account_at(member)
        claims = wallet.claims(AccountId(held.account), package.consent_id.hex())
        signatures.append(sign_package(wallet.key_at(held), claims, package))
    return SignedTerms(package=package, signatures=tuple(signatures))
