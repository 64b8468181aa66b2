"""A node that is killed with SIGKILL at a chosen commit: ``mortal_node.py MODE N -- serve …``.

``after N``: dies when its N-th unit with entries is durable, before anybody is answered.
``before N``: dies when its N-th such unit is about to be written. ``never 0``: lives.
"""

import os
import signal
import sys

from treaty.store.sqlite import SqliteStore

mode, number = sys.argv[1], int(sys.argv[2])
count = 0
commit = SqliteStore.commit


async def mortal_commit(self, unit):
    global count
    count += bool(unit.appends)
    doomed = bool(unit.appends) and count == number
    if doomed and mode == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    await commit(self, unit)
    if doomed and mode == "after":
        os.kill(os.getpid(), signal.SIGKILL)


SqliteStore.commit = mortal_commit

from treaty.cli import main  # noqa: E402 - the store must be mortal first

sys.argv = ["treaty", *sys.argv[4:]]
main()
