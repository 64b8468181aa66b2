"""``python -m treaty.cli``: the same as the ``treaty`` command, for where it is not on the path.

Read next: ``root``.
"""

from __future__ import annotations

from treaty.cli import main

if __name__ == "__main__":
    main()
