"""Bytes and values, without any protocol: canonical JSON, digests, ids, money, instants.

May import: ``errors``. Nothing here knows an agent, a session or a clock.
Start at ``canonical``.
"""
