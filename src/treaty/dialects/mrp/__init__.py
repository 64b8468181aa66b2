"""MRP: capabilities routed to the provider that fits, and evidence of what it did.

May import: ``core``, ``identity``, ``wire``, ``errors``; never another dialect. The bytes are
those of the protocol's 0.1 and of the ``mrpd`` package; what those leave open is decided in
``choices``. Start at ``messages``, then ``shapes``, ``machine`` and ``rules``.
"""
