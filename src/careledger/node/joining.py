"""How a new node begins, or one that lost its disk begins again: from a snapshot of its peers.

Trust file, then a checkpoint that enough of its members signed, then a snapshot that leads to that
very log, checked whole; only then is it the ledger. What a peer tells is never believed for who it
is, so one that lies costs time and nothing else.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from careledger.apps import installed
from careledger.ledger.errors import LedgerError, Malformed, ProofError, Unavailable
from careledger.ledger.genesis import active_applications, load_genesis
from careledger.ledger.record import Instant
from careledger.ledger.statement import SKEW_S
from careledger.node.config import BadConfiguration, NodeConfig, load_node
from careledger.node.peer import Peer
from careledger.node.vouched import check_vouched
from careledger.store.layout import data_file
from careledger.store.reader import StoreReader
from careledger.store.sync.format import Manifest, parse_manifest
from careledger.store.sync.restoring import Restoration
from careledger.verify.trust import Trust, parse_trust

_log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""(chunks that are here, of so many)."""


class NothingToJoin(LedgerError):
    """No peer has a snapshot that holds; the message says why of each."""


@dataclass(frozen=True, kw_only=True)
class Joined:
    """What the ledger began from."""

    manifest: Manifest
    source: str
    """The peer whose manifest it was."""


def join(
    home: Path,
    peers: Sequence[Peer],
    trust: Trust,
    now: Instant,
    progress: Progress = lambda _done, _of: None,
) -> Joined:
    """Put a snapshot of `peers` in place as the ledger of the node in `home`, which is stopped.

    Raises:
        BadConfiguration: there is a ledger with blocks, or the trust file is of another chain.
        NothingToJoin: nobody has a snapshot that holds.
        Unavailable: the disk does not answer, or the node is running.
    """
    config = load_node(home)
    genesis_file = (home / config.genesis).read_bytes()
    chain, genesis = load_genesis(genesis_file)
    if trust.chain != chain.hex():
        raise BadConfiguration(f"the trust file is of chain {trust.chain}, not {chain.hex()}")
    ledger = home / config.ledger
    check_empty(ledger)
    reasons: list[str] = []
    applications = active_applications(genesis, installed(), 0)
    for peer, data in manifests(peers, reasons):
        try:
            manifest = parse_manifest(data, chain)
            check_time(manifest, now)
            check_vouched(manifest, trust, peers)
            with Restoration(ledger, manifest, genesis_file, applications) as restoration:
                _fetch(restoration, [peer, *(one for one in peers if one is not peer)], progress)
                restoration.finish()
                restoration.put_in_place().close()
        except (ProofError, Malformed) as error:
            reasons.append(f"{peer.url}: {words(error)}")
            _log.warning("a snapshot of %s does not hold: %s", peer.url, words(error))
        else:
            return Joined(manifest=manifest, source=peer.url)
    raise NothingToJoin("; ".join(dict.fromkeys(reasons)) or "no peer keeps a snapshot yet")


def check_empty(ledger: Path) -> None:
    """See that the ledger holds no block but the first.

    Raises:
        BadConfiguration: it does.
    """
    if not data_file(ledger).exists():
        return
    with StoreReader(ledger) as reader, reader.snapshot() as committed:
        try:
            height = committed.latest().height
        except Unavailable:  # not even a first block
            return
    if height:
        raise BadConfiguration(
            f"{ledger} holds {height:,} blocks already: run the node, which goes on from there. To "
            "begin anew, stop it and move that folder away"
        )


def check_time(manifest: Manifest, now: Instant) -> None:
    """A block time ahead of everyone's clock would keep this node from following any block."""
    if manifest.header.time > now + SKEW_S:
        raise ProofError(
            "the snapshot is from the future: set this machine's clock if it is late",
            expected=now,
            actual=manifest.header.time,
        )


def manifests(peers: Sequence[Peer], reasons: list[str]) -> Iterator[tuple[Peer, bytes]]:
    """Manifests that differ, the newest first, each from the first peer that has it."""
    offered: list[tuple[int, Peer]] = []
    for peer in peers:
        try:
            offered += [(height, peer) for height in peer.heights()]
        except LedgerError as error:
            reasons.append(words(error))
    seen: set[bytes] = set()
    for height, peer in sorted(offered, key=lambda one: -one[0]):
        try:
            data = peer.manifest(height)
        except LedgerError as error:
            reasons.append(words(error))
            continue
        if data is not None and data not in seen:
            seen.add(data)
            yield peer, data


def _fetch(restoration: Restoration, peers: Sequence[Peer], progress: Progress) -> None:
    """Every chunk in order, each from the first peer that gives the right one.

    Raises:
        ProofError: a chunk that is the manifest's holds what it should not.
        Unavailable: none gives it.
    """
    manifest = restoration.manifest
    asked = list(peers)
    for number in range(len(manifest.chunks)):
        for peer in list(asked):
            try:
                chunk = peer.chunk(manifest.header.height, number)
            except LedgerError as error:
                _log.warning("chunk %d: %s", number, words(error))
                continue
            if chunk is None or not restoration.is_next(chunk):
                _log.warning("%s gives another chunk %d than was named", peer.url, number)
                asked.remove(peer)
                continue
            restoration.add(chunk)
            progress(number + 1, len(manifest.chunks))
            break
        else:
            raise ProofError("no peer gives all of its chunks")


def words(error: LedgerError) -> str:
    """What went wrong, for people."""
    return str(error) or " ".join((type(error).__doc__ or type(error).__name__).split())


def node_peers(config: NodeConfig, given: Sequence[str]) -> list[str]:
    """Whom to ask: those that were given, else those of the configuration.

    Raises:
        BadConfiguration: nobody.
    """
    urls = [url.strip() for one in given for url in one.split(",") if url.strip()]
    urls = urls or list(config.cosigners)
    if not urls:
        raise BadConfiguration("name other nodes with --peers, or as `cosigners` in node.toml")
    return urls


@contextmanager
def open_peers(urls: Sequence[str]) -> Iterator[list[Peer]]:
    """Connections to the nodes at `urls`."""
    with ExitStack() as opened:
        yield [opened.enter_context(Peer(url)) for url in urls]


def read_trust(path: Path) -> Trust:
    """The trust file at `path`.

    Raises:
        BadConfiguration: it is none.
    """
    try:
        return parse_trust(path.read_bytes())
    except Malformed as error:
        raise BadConfiguration(f"{path} is not a trust file") from error
