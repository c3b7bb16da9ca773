"""What can go wrong in a patient's wallet.

WalletError
├── NoWallet          there is no wallet in that folder
├── WalletExists      there is one already; a seed is never overwritten
├── WalletInUse       another program has the wallet open
├── WrongPassphrase   the seed does not open under that passphrase
├── BadCode           a claim code with a slip in it
├── NothingToClaim    no account waits for that code at that organisation
├── NoAccount         the wallet has no account at that organisation
├── NoConsent         the wallet holds no such consent
├── NotReachable      an organisation has no gateway or no sealing key on the ledger
├── NotAccepted       the ledger's rules said no: `code` and their public text
├── NotAnswered       a custodian refused or could not answer the patient's own request
└── BadOption         something asked for that no consent can say

Proofs that fail are `ledger.errors.ProofError`; a network that does not answer is `Unavailable`.
"""

from careledger.ledger.errors import LedgerError


class WalletError(LedgerError):
    """Base of the wallet's errors; the message says what to do, in one line."""


class NoWallet(WalletError):
    """There is no wallet in that folder."""


class WalletExists(WalletError):
    """There is a wallet in that folder already."""


class WalletInUse(WalletError):
    """Another program has the wallet open."""


class WrongPassphrase(WalletError):
    """The seed does not open under that passphrase."""


class BadCode(WalletError):
    """The claim code has a slip in it."""


class NothingToClaim(WalletError):
    """No account waits for that code at that organisation."""


class NoAccount(WalletError):
    """The wallet has no account at that organisation."""


class NoConsent(WalletError):
    """The wallet holds no such consent."""


class NotReachable(WalletError):
    """An organisation has no gateway or no sealing key on the ledger."""


class NotAccepted(WalletError):
    """The ledger's rules said no."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code


class NotAnswered(WalletError):
    """A custodian refused, or could not answer, the patient's own request."""


class BadOption(WalletError):
    """Something asked for that no consent can say."""
