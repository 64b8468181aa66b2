"""ACTP: the AIP-2.1 quote channel, prices agreed by EIP-712 messages before money is locked.

May import: ``core``, ``identity``, ``wire``, ``errors``; never another dialect. The bytes are
those of the ``agirails`` SDKs; what those leave open or get wrong is decided in ``choices``.
Start at ``messages``, then ``rules``.
"""
