"""Becomes the engine, and sees to it that the engine does not outlive the node.

Run by path and alone, as `python launch.py PARENT PROGRAM ARGUMENT...`: it imports nothing of ours.
"""

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Ask the kernel to end this process with its parent (prctl(2)), then become the program."""
    parent, program, *arguments = sys.argv[1:]
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != int(parent):  # it has ended meanwhile, so no signal would come
        return
    os.execv(program, [program, *arguments])  # noqa: S606 - the engine, found by the node


if __name__ == "__main__":
    main()
