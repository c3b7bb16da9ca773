"""What stays is left out of collections; what comes later is collected as ever."""

import subprocess
import sys

STORY = """
import gc, weakref
from careledger.node.collecting import FIRST, settle

class Thing:
    pass

def circle():
    one, two = Thing(), Thing()
    one.other, two.other = two, one
    return one

settle()
assert gc.get_freeze_count() > 1_000
before = gc.get_freeze_count()
kept, ending = circle(), circle()
gone = weakref.ref(circle())
gc.collect()
assert gone() is None, "a circle that nobody holds is collected"
assert gc.get_freeze_count() > before, "what survived is left out"
for _ in range(FIRST):
    gc.collect()
settled = gc.get_freeze_count()
later = circle()
gone = weakref.ref(later)
gc.collect()
assert gc.get_freeze_count() <= settled, "nothing more is left out"
del later
gc.collect()
assert gone() is None
print("held")
"""


def test_the_first_full_collections_settle_what_stays() -> None:
    run = [sys.executable, "-c", STORY]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert done.stdout == "held\n", done.stderr
