"""The network rim: the ASGI application, its limits and problem documents, and the client.

Reads bounded bytes, hands them to the desk, and says what the desk answered. May import:
``engine``, ``dialects`` and everything below them. Start at ``server``.
"""
