"""Dr Cho at Lakeview asks Riverside for Ana's records."""

from pathlib import Path

import pytest

from careledger.exchange.errors import AccessRefused
from tests.exchange.world import ANA, ANA_LOCAL, MEDICATIONS, RIVERSIDE, TREAT, World, tell


def test_a_permitted_read_is_released_proved_logged_and_acknowledged(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        await world.grant()
        got = await world.lakeview.requester.read(ANA_LOCAL, RIVERSIDE, MEDICATIONS, TREAT)
        assert sorted(one.id for one in got.resources) == ["m1", "m2"]
        assert "do not infer" in got.notice
        await world.lakeview.acknowledgements.send()
        (line,) = world.riverside.log.entries(ANA)
        assert (line.outcome, line.receiver, line.purpose) == ("released", "lakeview", "TREAT")
        assert line.acknowledged == "met"

    tell(tmp_path, story)


def test_without_consent_nothing_is_released(tmp_path: Path) -> None:
    async def story(world: World) -> None:
        with pytest.raises(AccessRefused) as refused:
            await world.lakeview.requester.read(ANA_LOCAL, RIVERSIDE, MEDICATIONS, TREAT)
        assert refused.value.dimensions == ("consent",)

    tell(tmp_path, story)
