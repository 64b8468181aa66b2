"""ASP: signed sessions in which two agents negotiate, commit, perform and close.

May import: ``core``, ``identity``, ``wire``, ``errors``; never another dialect. The rules are
mapped to code and tests in ``docs/spec/asp.md``. Start at ``messages``, then ``machine``.
"""
