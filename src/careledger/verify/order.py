"""The order of a log: how one entry may follow another, whatever the tree above them says."""

from careledger.ledger.entry import BlockEntry, GenesisEntry, LogEntry, decode_entry
from careledger.ledger.errors import Malformed, ProofError
from careledger.verify.step import moment


class LogOrder:
    """Entries taken one by one from the beginning, or from just behind a block entry on."""

    def __init__(self, chain: str, index: int = 0, last: bytes | None = None) -> None:
        """Begin at `index`, behind the block entry `last`; `chain` is the chain id in hex."""
        self._chain = chain
        self.index = index
        self._open = False
        self._height, self._time = 0, 0
        if last is not None:
            entry = decode_entry(last)
            if isinstance(entry, BlockEntry):
                self._height, self._time = entry.height, entry.time

    @property
    def is_whole(self) -> bool:
        """Whether no block is open: a log ends with a block entry, or with its beginning."""
        return not self._open

    def take(self, data: bytes) -> LogEntry:
        """The next entry.

        Raises:
            ProofError: it may not stand there.
        """
        try:
            entry = decode_entry(data)
        except Malformed as error:
            raise ProofError(f"entry {self.index:,} is none that this program knows") from error
        match entry:
            case GenesisEntry() if self.index or entry.chain.hex() != self._chain:
                raise ProofError(f"entry {self.index:,} begins another chain")
            case BlockEntry() if self.index:
                self._close(entry)
            case _ if not self.index and not isinstance(entry, GenesisEntry):
                raise ProofError("the log does not begin with its chain")
        self._open = not isinstance(entry, BlockEntry | GenesisEntry)
        self.index += 1
        return entry

    def _close(self, entry: BlockEntry) -> None:
        if entry.height <= self._height:
            raise ProofError(
                f"entry {self.index:,}: block heights run back",
                expected=self._height + 1,
                actual=entry.height,
            )
        if entry.time < self._time:
            raise ProofError(
                f"entry {self.index:,}: block time runs back",
                expected=moment(self._time),
                actual=moment(entry.time),
            )
        self._height, self._time = entry.height, entry.time
