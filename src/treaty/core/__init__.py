"""The domain, pure: sessions, negotiation, matching, commitments, the ledger, trust.

Values in, values out. No clock, no chance, no I/O, no signatures and no wire spelling: the
dialects translate their messages into these words and back.

May import: ``treaty.wire``, ``treaty.errors``. Start at ``session`` (the automaton all
dialects share), then ``commitment`` and ``ledger`` (what binds, and what it costs).
"""
