"""The engine's genesis file, which says what ours says in the engine's words.

Ours is what counts. The engine needs a file of its own to begin; it is derived from ours, so that
every node has the same, and `check_init` refuses any that says something else.
"""

import base64
import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from careledger.consensus.cometbft.messages import (
    BlockParams,
    ConsensusParams,
    Duration,
    EvidenceParams,
    RequestInitChain,
    ValidatorParams,
    VersionParams,
)
from careledger.ledger.errors import LedgerError
from careledger.ledger.genesis import Genesis
from careledger.ledger.membership import VALIDATORS, consensus_address
from careledger.ledger.record import Digest
from careledger.ledger.state import View
from careledger.ledger.transition import STATE_MACHINE_VERSION

CHAIN_ID_DIGITS = 32
"""Hexadecimal digits of our chain id in the engine's, which may have 50 characters."""

BLOCK_BYTES = 10 * 1024 * 1024
"""Largest block of the engine: above what `consensus.proposal` fills one with, which decides."""

EVIDENCE_BLOCKS, EVIDENCE_S, EVIDENCE_BYTES = 500_000, 14 * 86_400, 512 * 1024
"""For how long a double vote can be brought up: until both are over."""


class WrongGenesis(LedgerError):
    """The engine's genesis file is not that of this chain."""


def engine_chain_id(chain: Digest) -> str:
    """What the engine calls our chain; `spec/light-proof.md` has the same name."""
    return f"careledger-{chain.hex()[:CHAIN_ID_DIGITS]}"


def app_state(chain: Digest) -> Mapping[str, str]:
    """What stands in the engine's genesis file for us: the whole chain id."""
    return {"careledger": chain.hex()}


def voters(view: View) -> dict[bytes, int]:
    """Voting power by consensus key, as the ledger has it."""
    return {row.public: row.power for _, row in view.scan(VALIDATORS)}


def engine_genesis(chain: Digest, genesis: Genesis, view: View) -> bytes:
    """The engine's genesis file; `view` is the state of height 0.

    Raises:
        WrongGenesis: nobody in our genesis has voting power.
    """
    rows = sorted((str(name), row) for (name,), row in view.scan(VALIDATORS))
    if not rows:
        raise WrongGenesis("our genesis file gives nobody voting power: name validators in it")
    file: dict[str, Any] = {  # Any: a JSON object
        "genesis_time": datetime.fromtimestamp(genesis.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "chain_id": engine_chain_id(chain),
        "initial_height": "1",
        "consensus_params": _parameters_json(),
        "validators": [
            {
                "address": consensus_address(row.public).hex().upper(),
                "pub_key": {
                    "type": "tendermint/PubKeyEd25519",
                    "value": base64.b64encode(row.public).decode(),
                },
                "power": str(row.power),
                "name": name,
            }
            for name, row in rows
        ],
        "app_hash": "",
        "app_state": app_state(chain),
    }
    return json.dumps(file, indent=2).encode() + b"\n"


def consensus_parameters() -> ConsensusParams:
    """What the engine's validators hold each other to; the same on every node."""
    return ConsensusParams(
        block=BlockParams(max_bytes=BLOCK_BYTES, max_gas=-1),
        evidence=EvidenceParams(
            max_age_num_blocks=EVIDENCE_BLOCKS,
            max_age_duration=Duration(seconds=EVIDENCE_S),
            max_bytes=EVIDENCE_BYTES,
        ),
        validator=ValidatorParams(pub_key_types=("ed25519",)),
        version=VersionParams(app=STATE_MACHINE_VERSION),
    )


def _parameters_json() -> Mapping[str, Mapping[str, object]]:
    return {
        "block": {"max_bytes": str(BLOCK_BYTES), "max_gas": "-1"},
        "evidence": {
            "max_age_num_blocks": str(EVIDENCE_BLOCKS),
            "max_age_duration": str(EVIDENCE_S * 1_000_000_000),
            "max_bytes": str(EVIDENCE_BYTES),
        },
        "validator": {"pub_key_types": ["ed25519"]},
        "version": {"app": str(STATE_MACHINE_VERSION)},
        "abci": {"vote_extensions_enable_height": "0"},
    }


def check_init(request: RequestInitChain, chain: Digest, genesis: Genesis, view: View) -> None:
    """Hold the engine's genesis against ours; `view` is the state of height 0.

    Raises:
        WrongGenesis: they differ; the message says in what.
    """
    time = request.time.seconds if request.time else 0
    found: dict[str, tuple[object, object]] = {
        "chain_id": (engine_chain_id(chain), request.chain_id),
        "app_state": (app_state(chain), _json(request.app_state_bytes)),
        "genesis_time": (genesis.time, time),
        "initial_height": (1, request.initial_height),
        "validators": (
            _named(voters(view).items()),
            _named(
                (one.public.ed25519 if one.public else b"", one.power) for one in request.validators
            ),
        ),
    }
    for name, (expected, actual) in found.items():
        if expected != actual:
            raise WrongGenesis(
                f"wrong genesis: the engine's genesis file has {name} {actual}, and by ours it is "
                f"{expected}; write the engine's file again from genesis.json"
            )


def _named(powers: Iterable[tuple[bytes, int]]) -> dict[str, int]:
    return {consensus_address(public).hex(): power for public, power in sorted(powers)}


def _json(data: bytes) -> object:
    try:
        return json.loads(data)
    except ValueError:
        return data[:64]
