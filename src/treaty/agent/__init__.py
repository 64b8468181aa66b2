"""The kit people import: an agent that buys or provides, and keeps its own verified copy.

Its ports (transport, keys, store, clock) are given by ``app``. May import: ``http``, ``store``
and everything below them. Start at ``session``.
"""
