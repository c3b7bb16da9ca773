"""What can go wrong, and what the node does about it.

LedgerError
├── Refusal          a valid transaction the rules say no to: a numbered receipt, nothing else
│   └── Malformed    bytes that no encoder of ours would have produced
├── Inadmissible     a transaction that never enters a block: told to whoever sent it
├── BadSignature     a signature that does not verify under that key
├── ProofError       a proof that does not prove what it claims
├── InvalidBlock     a block no correct node would propose: vote against it
├── CorruptStore     what is stored contradicts itself: halt, run `careledger fsck`
└── Unavailable      disk or network: retry, never decide

Memory, recursion and storage errors halt the node. Any other exception inside a rule is the
numbered refusal `InternalFault` and an alarm: one poison transaction must not stop every node.
"""

from typing import ClassVar


class LedgerError(Exception):
    """Base of every error this package raises on purpose."""


class Refusal(LedgerError):
    """The rules refuse the command. The subclass docstring is the public explanation."""

    code: ClassVar[int]

    @classmethod
    def text(cls) -> str:
        """The public explanation, in one line."""
        return " ".join((cls.__doc__ or "").split())


class UnknownApplication(Refusal):
    """No application of that name is active on this chain."""

    code = 1


class Malformed(Refusal):
    """These bytes are not the canonical encoding of what was expected."""

    code = 2


class InternalFault(Refusal):
    """A rule failed unexpectedly; the operators have been alarmed and nothing was changed."""

    code = 3


class KeyTooLong(Refusal):
    """An identifier is too long to be stored; use a shorter one."""

    code = 4


class UnknownSigner(Refusal):
    """The signer is not, or no longer, known under the key that signed."""

    code = 5


class SignerSuspended(Refusal):
    """The signer, or the member that enrolled it, is suspended; only protective commands pass."""

    code = 6


class WrongKeyUse(Refusal):
    """That key was registered for another use."""

    code = 7


class Inadmissible(LedgerError):
    """The transaction never enters a block. The subclass docstring says why."""

    code: ClassVar[int] = 50

    @classmethod
    def text(cls) -> str:
        """The public explanation, in one line."""
        return " ".join((cls.__doc__ or "").split())


class BadSignature(LedgerError):
    """The signature does not verify under that key."""


class ProofError(LedgerError):
    """The proof does not prove what it claims; `reason` says so in a plain clause."""

    def __init__(self, reason: str = "", *, expected: object = None, actual: object = None) -> None:
        super().__init__(reason)
        self.reason, self.expected, self.actual = reason, expected, actual


class InvalidBlock(LedgerError):
    """The block does not follow from its parent."""


class CorruptStore(LedgerError):
    """What is stored contradicts itself; `careledger fsck` names the first wrong height."""


class Unavailable(LedgerError):
    """Disk or network did not answer; nothing was decided, try again."""


def require(condition: bool, refusal: type[Refusal]) -> None:  # noqa: FBT001 - reads as a sentence
    """One rule, one line: refuse unless `condition` holds."""
    if not condition:
        raise refusal
