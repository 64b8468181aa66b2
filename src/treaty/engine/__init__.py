"""The node: one pure decision per message, and the desk that makes it durable.

``node`` turns a message into facts, effects and an answer; ``desk`` (alone here allowed to
use asyncio) loads, decides, appends and hands over. Which dialects exist is told by ``app``.
May import: ``core``, ``identity``, ``wire``, ``errors``. Start at ``node``.
"""
