"""A decision is given again over blocks that change nothing it read, and no longer."""

from pathlib import Path

from careledger.exchange import permits
from careledger.exchange.asker import Asker
from careledger.exchange.errors import AccessRefused
from careledger.ledger.record import AccountId
from careledger.mechanisms.policy import Permit
from tests.exchange.test_reach import OWN, ana_denies, ben_comes
from tests.exchange.world import ANA, BEN, World, tell


def test_a_block_about_somebody_else_ends_no_decision(tmp_path: Path) -> None:
    """A denial by Ana is decided on in its block; what was decided about Ben stays the answer."""

    async def story(world: World) -> None:
        await ben_comes(world)
        mine = world.riverside.organisation
        decider = permits.Permits(mine, world.riverside.mailbox)

        def ask(account: AccountId, asker: Asker = OWN) -> Permit | None:
            with mine.now() as now:
                try:
                    (permit,) = decider.decide(asker, "read", [account], now)
                except AccessRefused:
                    return None
                return permit

        ana, ben = ask(ANA), ask(BEN)
        assert ana is not None
        assert ben is not None
        assert ask(ANA) is ana
        await ana_denies(world)
        assert ask(ANA) is None
        assert ask(BEN) is ben

    tell(tmp_path, story)
