"""What can go wrong between organisations, and inside one when it reads.

ExchangeError
├── CommandRefused    the ledger's rules said no to a command of ours: `code`, and their public text
├── AccessRefused     a read was refused: `dimensions` says where the use fell outside
├── RequestRejected   the custodian could not answer the request as it was: `code` and text
├── DeliveryRefused   terms that do not belong to their consent, or are not signed by whom they must
├── UnknownReceiver   the member has no gateway or no sealing key on the ledger
├── NotVerified       what a custodian sent is not what it committed to on the ledger
└── Stale (Unavailable)  the newest block is too old to decide by; nothing was decided

No error names a patient, a resource or anything in one.
"""

from careledger.ledger.errors import LedgerError, Unavailable


class ExchangeError(LedgerError):
    """Base of the exchange's errors; `expected` and `actual` hold nothing personal."""

    def __init__(self, reason: str = "", *, expected: object = None, actual: object = None) -> None:
        super().__init__(reason)
        self.reason, self.expected, self.actual = reason, expected, actual


class CommandRefused(ExchangeError):
    """The ledger's rules said no; `code` is the refusal's number."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text, expected=0, actual=code)
        self.code = code


class AccessRefused(ExchangeError):
    """A read was refused; `dimensions` says where the use fell outside."""

    def __init__(self, dimensions: tuple[str, ...]) -> None:
        super().__init__(", ".join(dimensions))
        self.dimensions = dimensions


class RequestRejected(ExchangeError):
    """The custodian could not answer the request as it was."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text, actual=code)
        self.code = code


class DeliveryRefused(ExchangeError):
    """Terms that do not belong to their consent, or are not signed by whom they must."""


class UnknownReceiver(ExchangeError):
    """The member has no gateway or no sealing key on the ledger."""


class NotVerified(ExchangeError):
    """What a custodian sent is not what it committed to on the ledger."""


class Stale(Unavailable):
    """The newest block is too old to decide by; nothing was decided, try again."""
