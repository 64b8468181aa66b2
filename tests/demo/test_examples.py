"""The two examples, as programs of their own against a node of its own."""

import asyncio
import os
import sys
from pathlib import Path

from treaty import app

EXAMPLES = Path(__file__).parents[2] / "examples"
BUYER = "agent://acme.com/procurement/alpha"
LINES_MAX = 30


async def start(example, url, home):
    return await asyncio.create_subprocess_exec(
        sys.executable,
        str(EXAMPLES / example),
        url,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "TREATY_HOME": str(home)},
    )


async def deal(home):
    async with app.local_node() as node:
        await node.fund(BUYER, "500.00", "USD")
        provider = await start("provider.py", node.url, home / "provider")
        try:
            async with asyncio.timeout(60):
                assert b"serves" in await provider.stdout.readline()
                buyer = await start("buyer.py", node.url, home / "buyer")
                told, _ = await buyer.communicate()
        finally:
            provider.terminate()
            await provider.wait()
    return buyer.returncode, told.decode()


def test_the_two_examples_make_a_deal(tmp_path):
    code, told = asyncio.run(deal(tmp_path))

    assert code == 0
    assert "agreed at 3.75 an hour, session CLOSED" in told


def test_the_examples_are_short():
    lengths = {path.name: len(path.read_text().splitlines()) for path in EXAMPLES.glob("*.py")}

    assert set(lengths) == {"buyer.py", "provider.py", "summarizers.py"}
    assert max(lengths.values()) <= LINES_MAX
