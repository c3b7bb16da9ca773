"""How the engine of a node that joins begins: kept in its home from `join` until it has begun.

The engine takes the state from other engines and follows validators' votes from one header on.
That header is chosen here: it commits to the app hash of a snapshot for which enough of the trusted
members vouch. Whom it lets vote is checked again at each block, against the ledger itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import msgspec

from careledger.consensus.cometbft.home import StateSync as EngineStart
from careledger.consensus.cometbft.light import light_block
from careledger.ledger.errors import LedgerError, Malformed, ProofError, Unavailable
from careledger.ledger.genesis import load_genesis
from careledger.ledger.record import Count, Hash, Instant, Record
from careledger.ledger.tendermint import header_hash
from careledger.node.config import BadConfiguration, load_node
from careledger.node.joining import NothingToJoin, check_empty, check_time, manifests, words
from careledger.node.peer import Peer
from careledger.node.vouched import check_vouched
from careledger.node.vouching import write_durably
from careledger.store.sync.format import Manifest, parse_manifest
from careledger.verify.trust import Trust, format_trust, parse_trust

BEGINNING_FILE, TRUST_FILE = "beginning.json", "beginning-trust.json"


class Beginning(Record):
    """From which header on the engine follows, and where it reads headers."""

    format: Literal["careledger-beginning/1"] = "careledger-beginning/1"
    servers: tuple[str, ...]
    height: Count
    hash: Hash


@dataclass(frozen=True, kw_only=True)
class Planned:
    """What was found, for people."""

    manifest: Manifest
    agreeing: int


def plan(home: Path, peers: Sequence[Peer], trust: Trust, now: Instant) -> Planned:
    """Find where the engine of the node in `home` may begin, and keep it there.

    Raises:
        BadConfiguration: there is a ledger with blocks, or the trust file is of another chain.
        NothingToJoin: nobody has a snapshot for which enough members vouch.
    """
    config = load_node(home)
    chain, _ = load_genesis((home / config.genesis).read_bytes())
    if trust.chain != chain.hex():
        raise BadConfiguration(f"the trust file is of chain {trust.chain}, not {chain.hex()}")
    check_empty(home / config.ledger)
    reasons: list[str] = []
    for peer, data in manifests(peers, reasons):
        try:
            manifest = parse_manifest(data, chain)
            check_time(manifest, now)
            check_vouched(manifest, trust, peers)
            hash_, servers = _agreed(manifest, peers)
        except (ProofError, Malformed, Unavailable) as error:
            reasons.append(f"{peer.url}: {words(error)}")
            continue
        beginning = Beginning(servers=servers, height=manifest.header.height + 1, hash=hash_)
        write_durably(home / TRUST_FILE, format_trust(trust))
        write_durably(home / BEGINNING_FILE, msgspec.json.encode(beginning).decode())
        return Planned(manifest=manifest, agreeing=len(servers))
    raise NothingToJoin("; ".join(dict.fromkeys(reasons)) or "no peer keeps a snapshot yet")


def load_beginning(home: Path) -> tuple[EngineStart, Trust] | None:
    """What `plan` kept in `home`; None if nothing.

    Raises:
        BadConfiguration: it is damaged.
    """
    try:
        kept = (home / BEGINNING_FILE).read_bytes()
        trust = parse_trust((home / TRUST_FILE).read_bytes())
        beginning = msgspec.json.decode(kept, type=Beginning)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, Malformed) as error:
        raise BadConfiguration(
            f"{home / BEGINNING_FILE}: run `careledger node join` anew"
        ) from error
    servers = beginning.servers if len(beginning.servers) > 1 else beginning.servers * 2
    return EngineStart(servers=servers, height=beginning.height, hash=beginning.hash), trust


def _agreed(manifest: Manifest, peers: Sequence[Peer]) -> tuple[bytes, tuple[str, ...]]:
    """The hash of the header that commits to the snapshot, and who shows it.

    Raises:
        ProofError: two peers show different ones.
        Unavailable: nobody shows one.
    """
    shown: dict[bytes, list[str]] = {}
    for peer in peers:
        try:
            hash_ = _header(manifest, peer)
        except LedgerError:
            continue
        shown.setdefault(hash_, []).append(f"{peer.url}/v1/engine")
    if not shown:
        raise Unavailable(f"no peer shows the header of block {manifest.header.height + 1:,} yet")
    if len(shown) > 1:
        raise ProofError("peers show different headers of the block after the snapshot")
    [(hash_, servers)] = shown.items()
    return hash_, tuple(servers)


def _header(manifest: Manifest, peer: Peer) -> bytes:
    height = manifest.header.height + 1
    block = light_block(
        peer.ask_engine("commit", height=height), peer.ask_engine("validators", height=height)
    )
    if (block.header.height, block.header.app_hash) != (height, manifest.header.app_hash):
        raise ProofError("its header commits to something else", actual=block.header.height)
    return header_hash(block.header)
