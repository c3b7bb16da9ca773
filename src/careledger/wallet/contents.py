"""What a wallet remembers: accounts, consents with their terms, and what still has to be delivered.

All of it is private, so it is kept sealed (`folder.py`). None of it is needed to prove anything
later but the terms and their salts, which stand nowhere else in the patient's hands.
"""

from typing import Annotated, Literal

import msgspec
from msgspec.structs import replace

from careledger.ledger.record import (
    AccountId,
    AccountName,
    Count,
    Hash,
    Instant,
    MemberId,
    MemberName,
    Record,
)
from careledger.ledger.signature import Algorithm
from careledger.mechanisms.delivery import TermsPackage
from careledger.mechanisms.envelope import ConsentId, Kind
from careledger.verify.trust import Trust
from careledger.wallet.errors import NoAccount

Standing = Literal["unsent", "waiting", "delivered"]
"""Not taken in yet; taken in, but not in force there; in force there."""

MAX_LABEL = 200


class HeldAccount(Record):
    """One pairwise account; `generation` counts the rotations of its key."""

    member: MemberName
    account: AccountName
    generation: Count = 0
    algorithm: Algorithm | msgspec.UnsetType = msgspec.UNSET
    """How its key signs; unset: Ed25519, as all keys did at first."""

    def rotated(self, algorithm: Algorithm | None = None) -> "HeldAccount":
        """The same account once its key was rotated, to one of `algorithm` or as before."""
        before = self.algorithm
        return HeldAccount(
            member=self.member,
            account=self.account,
            generation=self.generation + 1,
            algorithm=before if algorithm is None else algorithm,
        )

    @property
    def signs_by(self) -> Algorithm:
        """The same, said."""
        return self.algorithm or "EdDSA"


class Delivery(Record):
    """A package on its way to one organisation."""

    member: MemberName
    standing: Standing = "unsent"
    acknowledgement: bytes = b""
    """The organisation's signed statement, once there is one."""
    tried: Instant | None = None
    trouble: str = ""
    """Why the last try came to nothing."""


class HeldConsent(Record):
    """A consent the patient gave, its terms and their salt, and how far they got."""

    consent_id: ConsentId
    kind: Kind
    label: Annotated[str, msgspec.Meta(max_length=MAX_LABEL)]
    """The patient's own words for it; they go nowhere."""
    package: TermsPackage
    deliveries: tuple[Delivery, ...]
    command: bytes
    """The encoded command, kept before it is sent: a salt must not be lost between."""
    transaction: Hash | None = None
    """None until the ledger has it."""

    def is_delivered(self) -> bool:
        """Whether everyone whom it concerns has it."""
        return all(one.standing == "delivered" for one in self.deliveries)


class Contents(Record):
    """Everything a wallet remembers."""

    format: Literal["careledger-wallet/1"] = "careledger-wallet/1"
    chain: Hash
    node: str
    trust: Trust | None = None
    """Whom the patient believes about the chain; None is any member's node."""
    accounts: tuple[HeldAccount, ...] = ()
    consents: tuple[HeldConsent, ...] = ()

    def account_at(self, member: str) -> HeldAccount:
        """The patient's account at `member`.

        Raises:
            NoAccount: there is none.
        """
        for one in self.accounts:
            if one.member == member:
                return one
        raise NoAccount(
            f"you have no account at {member}: ask them for a code, "
            f"then `careledger wallet claim {member} CODE`"
        )

    def has_account_at(self, member: str) -> bool:
        """Whether the patient has an account at `member`."""
        return any(one.member == member for one in self.accounts)

    def mine(self) -> dict[AccountId, MemberId]:
        """Every account with its organisation."""
        return {AccountId(one.account): MemberId(one.member) for one in self.accounts}

    def with_account(self, held: HeldAccount) -> "Contents":
        """With this account in the place of any other at the same organisation."""
        others = tuple(one for one in self.accounts if one.member != held.member)
        return replace(self, accounts=(*others, held))

    def with_consent(self, held: HeldConsent) -> "Contents":
        """With this consent, in its place if it was there already."""
        found = {one.consent_id: one for one in self.consents} | {held.consent_id: held}
        return replace(self, consents=tuple(found.values()))

    def without_consent(self, consent_id: bytes) -> "Contents":
        """Without a consent that the ledger did not take."""
        others = tuple(one for one in self.consents if one.consent_id != consent_id)
        return replace(self, consents=others)
