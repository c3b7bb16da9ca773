"""Moving a node's ledger and its engine's data out of the way, so that both begin anew together.

Nothing is deleted. What the validator voted for last stays in its place where it is still there:
with it the validator cannot vote twice, without it the engine waits until its key was silent.
"""

from dataclasses import dataclass
from pathlib import Path

from careledger.consensus.cometbft.home import BadEngineHome, EngineHome
from careledger.ledger.errors import LedgerError
from careledger.node.beginning import BEGINNING_FILE, TRUST_FILE
from careledger.node.config import BadConfiguration, NodeConfig, load_node
from careledger.node.holding import hold_home
from careledger.vault.keystore import sync_directory, write_private


class ConsentNeeded(LedgerError):
    """What the validator voted for last is lost, and nobody said that no other home has its key."""


@dataclass(frozen=True, kw_only=True)
class SetAside:
    """What was moved, and what that means."""

    moved: tuple[tuple[Path, Path], ...]
    """From where to where."""
    votes_kept: bool
    """Whether this home still knows what its validator voted for last."""


def set_aside(home: Path, *, no_other_home: bool) -> SetAside:
    """Move the ledger of the node in `home`, which is stopped, and its engine's data aside.

    Each goes to a new name beside the old one, so that no bytes are copied. Stopped halfway, it is
    run again. `no_other_home` is the operator's word that the validator's key is nowhere else; it
    is needed where the home has lost what the validator voted for last.

    Raises:
        ConsentNeeded: it is needed, and was not given.
        HomeInUse: the node is running.
        BadConfiguration: there is no node here, or one that orders alone.
    """
    config = load_node(home)
    if config.consensus_key is None:
        raise BadConfiguration(
            f"the node in {home} orders alone, so it cannot begin again with others' help: restore "
            f"its ledger from a backup"
        )
    with hold_home(home):
        engine = EngineHome(home / config.engine_home)
        votes = _votes(engine)
        if votes is None and not no_other_home:
            raise ConsentNeeded(
                "this home has lost what its validator voted for last. If another home has the "
                "same key, the two vote twice, and the ledger names the member. Where no other "
                "home has it, say so with --no-other-home"
            )
        moved = _move(home, config, engine)
        if votes is not None:
            engine.data.mkdir(mode=0o700, exist_ok=True)
            write_private(engine.validator_state, votes)
            sync_directory(engine.data)
    return SetAside(moved=moved, votes_kept=votes is not None)


def _votes(engine: EngineHome) -> bytes | None:
    """What the validator voted for last, if it is there and whole."""
    try:
        engine.last_vote()
    except BadEngineHome:
        return None
    return engine.validator_state.read_bytes()


def _move(home: Path, config: NodeConfig, engine: EngineHome) -> tuple[tuple[Path, Path], ...]:
    """The engine's data last: until then it is plain from the home that this was not finished."""
    moved: list[tuple[Path, Path]] = []
    begun = (home / BEGINNING_FILE, home / TRUST_FILE)
    for path in (*begun, home / config.ledger, engine.data):
        if path.exists():
            place = _free(path)
            path.rename(place)
            sync_directory(path.parent)
            moved.append((path, place))
    return tuple(moved)


def _free(path: Path) -> Path:
    """A name beside it that nothing has."""
    number = 1
    while (place := path.with_name(f"{path.name}.aside-{number}")).exists():
        number += 1
    return place
