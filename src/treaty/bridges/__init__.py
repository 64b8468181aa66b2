"""Other people's services as capabilities: an OpenAPI description, and an MCP server.

Foreign names never become paths, code or addresses: they are keys of tables made here. Called
by ``app`` and ``cli``. May import: ``engine`` and everything below it. Start at ``stated``, then
``openapi`` and ``rest``, or ``mcp`` and ``tools``.
"""
