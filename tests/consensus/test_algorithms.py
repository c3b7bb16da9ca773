"""A program that cannot check what a network may sign with does not begin to take part."""

from pathlib import Path

import pytest

from careledger.consensus.chain import Chain
from careledger.ledger import hybrid
from careledger.ledger.genesis import load_genesis
from careledger.ledger.hybrid import MissingAlgorithm
from careledger.ledger.membership import NetworkParameters
from careledger.store.store import Store
from tests.consensus.world import APPLICATIONS, INSTALLED, genesis_file


@pytest.mark.parametrize("agreed", [True, False])
def test_without_the_library_no_node_starts_where_hybrid_keys_were_agreed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, agreed: bool
) -> None:
    data = genesis_file(NetworkParameters(hybrid_keys=True) if agreed else None)
    chain_id, genesis = load_genesis(data)
    with Store.create(tmp_path / "chain", data, APPLICATIONS) as store:
        Chain(store, chain_id, genesis, INSTALLED)
        monkeypatch.setattr(hybrid, "is_available", lambda: False)
        if agreed:
            with pytest.raises(MissingAlgorithm, match="install the locked versions"):
                Chain(store, chain_id, genesis, INSTALLED)
        else:
            Chain(store, chain_id, genesis, INSTALLED)
