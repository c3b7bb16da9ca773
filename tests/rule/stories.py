"""One population with all that must hold in it."""

from tests.rule.changing import consent_changes
from tests.rule.checks import Effort, everything_holds
from tests.rule.ground import Ground
from tests.rule.letters import letters_bring_what_is_permitted
from tests.rule.scenes import play


async def tell(ground: Ground, seed: object, number: int, effort: Effort) -> None:
    """Raises AssertionError, with what to repeat it by, where something can be told apart."""
    try:
        await consent_changes(ground, seed, number)
        async for scene in play(ground, seed, number):
            await everything_holds(scene, effort)
            if scene.who.kind == "partner":
                await letters_bring_what_is_permitted(scene)
    except AssertionError as error:
        error.add_note(f"population {number} of seed {seed}")
        raise
