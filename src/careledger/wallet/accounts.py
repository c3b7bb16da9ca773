"""Accounts: claiming one with a code, and putting another key in a key's place."""

import msgspec

from careledger.apps.identity import APPLICATION
from careledger.apps.identity.commands import (
    AccountEnrolled,
    ClaimAccount,
    ClaimReissued,
    RotateAccountKey,
)
from careledger.consensus.intake import Ordered
from careledger.ledger.claim import claim_key, parse_code
from careledger.ledger.errors import Inadmissible, Malformed
from careledger.ledger.possession import new_key
from careledger.ledger.record import AccountId, MemberId, decode_trusted
from careledger.ledger.signature import Algorithm, key_id
from careledger.ledger.transaction import call
from careledger.wallet.contents import HeldAccount
from careledger.wallet.errors import BadCode, NothingToClaim
from careledger.wallet.wallet import Wallet

PAGE = 1_000
"""Transactions in one request."""


async def claim(
    wallet: Wallet,
    member: MemberId,
    code: str,
    account: AccountId | None = None,
    algorithm: Algorithm = "EdDSA",
) -> HeldAccount:
    """Take over the account that `member` enrolled; from then on only the patient's key signs.

    Running it again after an interruption is safe. Without `account`, the whole log is searched
    for it: the node sees that, and not which account it was.

    Raises:
        BadCode: a slip in the code.
        NothingToClaim: no account waits for it.
        NotAccepted: the code's time is over.
    """
    try:
        entropy = parse_code(code)
    except Malformed as error:
        raise BadCode("that is no claim code: six groups of four letters and digits") from error
    found = account or await _find(wallet, member, entropy)
    own = wallet.first_key(member, algorithm=algorithm)
    if not await _is_registered(wallet, found, key_id(own.public)):
        command = ClaimAccount(key=new_key(own, "transaction", found, wallet.chain))
        signing = claim_key(entropy, found, wallet.chain)
        try:
            await wallet.submit_as(found, signing, call(APPLICATION.name, command))
        except Inadmissible as error:
            raise _nothing(member) from error
    named = msgspec.UNSET if algorithm == "EdDSA" else algorithm
    held = HeldAccount(member=member, account=found, algorithm=named)
    wallet.keep(wallet.contents.with_account(held))
    await wallet.refresh()
    return held


async def rotate(wallet: Wallet, member: str, algorithm: Algorithm | None = None) -> Ordered:
    """Put the next key in the place of the patient's key toward `member`; the old one dies.

    It signs as the old one did, unless `algorithm` says how.
    """
    held = wallet.contents.account_at(member)
    account = AccountId(held.account)
    after = held.rotated(algorithm)
    command = RotateAccountKey(
        old=key_id(wallet.key_at(held).public),
        key=new_key(wallet.key_at(after), "transaction", account, wallet.chain),
    )
    ordered = await wallet.submit(held, APPLICATION.name, command)
    wallet.keep(wallet.contents.with_account(after))
    await wallet.refresh()
    return ordered


async def _find(wallet: Wallet, member: MemberId, entropy: bytes) -> AccountId:
    """The account at `member` that waits for this code, or once did."""
    after, size = 0, 1
    while after < size:
        page = await wallet.node.events(after=after, limit=PAGE)
        for happened in page.happened:
            for record in happened.receipt.events:
                if record.application == APPLICATION.name:
                    event = decode_trusted(record.event, APPLICATION.event_type)
                    if _waits_for(event, member, entropy, wallet):
                        return AccountId(event.account)
        after, size = page.following, page.size
    raise _nothing(member)


def _waits_for(event: object, member: MemberId, entropy: bytes, wallet: Wallet) -> bool:
    if not isinstance(event, AccountEnrolled | ClaimReissued) or event.member != member:
        return False
    if event.key.use != "claim":
        return False
    key = claim_key(entropy, AccountId(event.account), wallet.chain)
    return key.public.public == event.key.public


async def _is_registered(wallet: Wallet, account: AccountId, key: bytes) -> bool:
    proved = await wallet.node.row("ledger.keys", account, key.hex())
    return proved.row is not None


def _nothing(member: MemberId) -> NothingToClaim:
    return NothingToClaim(
        f"no account at {member} waits for this code: ask {member} whether it was used or replaced"
    )
