"""Where facts and keys last: in memory, in SQLite, in key files.

Every store keeps the same contract (``engine.ports``), judged by one suite of tests. May
import: ``engine`` and everything below it. Start at ``memory``.
"""
