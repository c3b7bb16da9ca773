"""Whom an auditor believes: the trust file's policy, or nobody, and then nothing is decided."""

from dataclasses import dataclass

from careledger.ledger.checkpoint import SignedByOneOf, SignedCheckpoint, verify_checkpoint
from careledger.ledger.errors import BadSignature, LedgerError, ProofError
from careledger.node.audit.alarm import Alarm
from careledger.verify.trust import Trust


class NotBelievable(LedgerError):
    """Too few of those whom the trust file names have signed what was shown."""


@dataclass(frozen=True)
class Belief:
    """A trust file, if the auditor has one."""

    trust: Trust | None

    def check(self, source: str, signed: SignedCheckpoint) -> None:
        """Check that enough of the trusted members signed what `source` shows.

        Raises:
            Alarm: a signature under a trusted member's name and key is bad.
            NotBelievable: too few signed it, or it is another log's.
        """
        if self.trust is not None:
            self._verify(source, signed, self.trust, one=False)

    def check_one(self, source: str, signed: SignedCheckpoint) -> None:
        """Check that at least one trusted member signed it, which makes it evidence.

        Raises:
            Alarm, NotBelievable: as `check`.
        """
        if self.trust is not None:
            self._verify(source, signed, self.trust, one=True)

    def _verify(self, source: str, signed: SignedCheckpoint, trust: Trust, *, one: bool) -> None:
        keys = tuple(key for keys in trust.note_keys().values() for key in keys)
        policy = SignedByOneOf(keys) if one else trust.policy()
        try:
            verify_checkpoint(signed, trust.origin, policy)
        except ProofError as error:
            if isinstance(error.__cause__, BadSignature):
                raise Alarm(
                    "bad-signature",
                    f"{source} shows a checkpoint with a forged signature",
                    (source, signed.format()),
                ) from error
            counted = isinstance(error.expected, int)
            details = f" ({error.actual} of {error.expected})" if counted else ""
            raise NotBelievable(f"{source}: {error.reason}{details}") from error
