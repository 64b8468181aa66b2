"""Wire: bytes and plain values, no protocol.

Purpose: everything every dialect agrees on before a message means anything: canonical JSON,
digests, text encodings, identifiers, money and instants. All of it pure and synchronous.

May import: ``treaty.errors``. May be imported by: every other room.

Start here: ``canonical`` (what is hashed and signed), then ``money``.
"""
