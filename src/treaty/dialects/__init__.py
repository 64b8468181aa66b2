"""The languages a deal can be spoken in, one folder each.

Every dialect has the same five modules: ``messages`` (frozen records), ``codec`` (spelling),
``machine`` (tables only), ``rules`` (guards and the numbered verification) and ``choices``
(what the specification leaves open, numbered). Dialects do not know each other. A dialect may
import: ``core``, ``identity``, ``wire``, ``errors``. Start at ``asp``.
"""
