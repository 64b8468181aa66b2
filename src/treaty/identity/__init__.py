"""Who signed what: keys, signatures, proofs of possession, agent cards.

The only maker of verified values. May import: ``wire``, ``errors``. Key files lie in
``store.keys``; no file or network is touched here. Start at ``keys``.
"""
