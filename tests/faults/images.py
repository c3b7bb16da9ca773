"""What the disk may hold after power fails during a durable step.

LMDB writes the pages of a step, syncs them, and only then writes one root page, synced with the
write. So the root page is on disk only with every other page; before that, any subset of them is,
down to single sectors, and the file may be short. `test_the_order_is_really_so` watches it.
"""

import random
from collections.abc import Iterator

PAGE, SECTOR = 4096, 512


def crash_images(
    before: bytes, after: bytes, chance: random.Random
) -> Iterator[tuple[bytes, bool]]:
    """Images that a crash between `before` and `after` may leave, and whether the step is done."""
    changed = [
        at
        for at in range(2 * PAGE, len(after), SECTOR)
        if before[at : at + SECTOR] != after[at : at + SECTOR]
    ]
    whole = list(dict.fromkeys(at // PAGE * PAGE for at in changed))
    padded = before.ljust(len(after), b"\0")
    yield before, False
    yield _with(padded, after, whole, PAGE), False
    yield _with(padded, after, chance.sample(whole, len(whole) // 2), PAGE), False
    yield _with(padded, after, chance.sample(changed, len(changed) // 2), SECTOR), False
    short = len(before) + chance.randrange(len(after) - len(before) + 1)
    yield _with(padded, after, whole[::2], PAGE)[:short], False
    yield after, True


def _with(image: bytes, after: bytes, places: list[int], size: int) -> bytes:
    changed = bytearray(image)
    for at in places:
        changed[at : at + size] = after[at : at + size]
    return bytes(changed)
