"""Failures in one line each: what happened, and what to do about it."""

from careledger.ledger.errors import (
    CorruptStore,
    Inadmissible,
    LedgerError,
    ProofError,
    Refusal,
    Unavailable,
)


def explain(error: Exception) -> str:
    """The line for `error`.

    Raises:
        Exception: `error` itself, where it is a defect of this program and not a state of affairs.
    """
    match error:
        case Refusal() | Inadmissible():
            return str(error) or error.text()
        case ProofError():
            told = f" (expected {error.expected}, got {error.actual})" if error.expected else ""
            return (
                f"a proof does not hold: {error.reason or 'it is wrong'}{told}. Trust none of it."
            )
        case Unavailable():
            return f"{str(error) or 'no answer'}. Is it running? Nothing was decided; try again."
        case CorruptStore():
            return f"{error}. Run `careledger fsck HOME`."
        case LedgerError():
            reason = str(error) or getattr(error, "reason", "")
            return reason or " ".join((type(error).__doc__ or type(error).__name__).split())
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            return f"{where}{error.strerror or error}"
        case _:
            raise error
