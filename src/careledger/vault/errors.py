"""What can go wrong in the vault.

VaultError
├── Tampered         sealed bytes do not open: altered, moved, or sealed under another key
│   └── Spoilt       those of one version of a resource, whose commitment is still here
├── UnknownKey       wrapped under a key that the key store does not hold
├── KeyFileExposed   others on this machine may read the key file
├── NotRegistered    no such patient here, or shredded
├── AlreadyBound     the local id or the account belongs to another patient
├── AccountShredded  the account was shredded here; it cannot come back
├── NoOwner          clinical data without a patient to seal it for
├── WrongOwner       the resource belongs to another patient than was said
├── VersionConflict  the resource has moved on since the caller looked, or is not there
├── WrongFacts       the facts are of another resource
├── WrongBody        bytes that are not those committed to, or no such version
├── NotMergeable     the merge would be a circle
├── NotOurBatch      the committed batch is not one that this vault has pending
├── NotOurShred      the evidence is about another custodian, or a legal hold was in force
├── VaultInUse       another process has this vault open
├── WrongVault       the two files, the member or the format do not belong together
└── NeedsReplay      a backup may only be opened by `restore`, which shreds again first

No error names a person, a local id or a resource: only what kind of thing, expected and actual.
"""

from typing import TYPE_CHECKING

from careledger.ledger.errors import LedgerError

if TYPE_CHECKING:
    from careledger.vault.commitments import Leaf


class VaultError(LedgerError):
    """Base of the vault's errors; `expected` and `actual` hold nothing personal."""

    def __init__(self, reason: str = "", *, expected: object = None, actual: object = None) -> None:
        super().__init__(reason)
        self.reason, self.expected, self.actual = reason, expected, actual


class Tampered(VaultError):
    """Sealed bytes do not open: altered, moved, or sealed under another key."""


class Spoilt(Tampered):
    """One version of a resource does not open; `leaf` is its commitment, None while unbatched."""

    def __init__(self, leaf: "Leaf | None") -> None:
        super().__init__("a sealed object")
        self.leaf = leaf


class UnknownKey(VaultError):
    """Wrapped under a key that the key store does not hold."""


class KeyFileExposed(VaultError):
    """Others on this machine may read the key file."""


class NotRegistered(VaultError):
    """No such patient here, or shredded."""


class AlreadyBound(VaultError):
    """The local id or the account belongs to another patient."""


class AccountShredded(VaultError):
    """The account was shredded here; it cannot come back."""


class NoOwner(VaultError):
    """Clinical data without a patient to seal it for."""


class WrongOwner(VaultError):
    """The resource belongs to another patient than was said."""


class VersionConflict(VaultError):
    """The resource has moved on since the caller looked, or is not there."""


class WrongFacts(VaultError):
    """The facts are of another resource."""


class WrongBody(VaultError):
    """The bytes are not those that were committed to, or there is no such version."""


class NotMergeable(VaultError):
    """The merge would be a circle."""


class NotOurBatch(VaultError):
    """The committed batch is not one that this vault has pending."""


class NotOurShred(VaultError):
    """The evidence is about another custodian, or a legal hold was in force."""


class VaultInUse(VaultError):
    """Another process has this vault open."""


class WrongVault(VaultError):
    """The two files, the member or the format do not belong together."""


class NeedsReplay(VaultError):
    """A backup may only be opened by `restore`, which shreds again first."""
