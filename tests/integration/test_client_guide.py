"""docs/CLIENT.md stays true: its blocks run in order against a server, and every `# ->` is what its line gives."""

import ast
import re
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import VarveUp

pytestmark = pytest.mark.slow
GUIDE = Path(__file__).parents[2] / "docs" / "CLIENT.md"
CLAIM = re.compile(r"# -> (.+)$")


def blocks() -> list[tuple[int, str]]:
    """Each block with the line that it starts on."""
    text = GUIDE.read_text()
    found = re.finditer(r"^```python\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [(text[: block.start(1)].count("\n") + 1, block[1]) for block in found]


def run_block(code: str, line: int, names: dict[str, Any]) -> int:
    """Run one block; how many claims held."""
    held = 0
    for statement in ast.parse(code).body:
        ast.increment_lineno(statement, line - 1)
        last = code.splitlines()[(statement.end_lineno or 0) - line]
        claimed = CLAIM.search(last)
        if isinstance(statement, ast.Expr):
            found = eval(compile(ast.Expression(statement.value), GUIDE.name, "eval"), names)
            assert claimed is None or found == ast.literal_eval(claimed[1]), (
                f"{GUIDE.name}:{statement.lineno}: {last.strip()} gave {found!r}"
            )
            held += claimed is not None
        else:
            assert claimed is None, f"{GUIDE.name}:{statement.lineno}: only an expression gives something"
            exec(compile(ast.Module([statement], []), GUIDE.name, "exec"), names)
    return held


def test_the_guides_blocks_do_what_the_guide_says(running_varve: VarveUp) -> None:
    brokers, port = running_varve.note.brokers, str(urlsplit(running_varve.url).port)
    names: dict[str, Any] = {}
    claims = 0
    for line, code in blocks():
        here = (
            code.replace("127.0.0.1:9092", brokers).replace("http://127.0.0.1:8000", running_varve.url).replace("port=8000", f"port={port}")
        )
        claims += run_block(here, line, names)
    names["client"].close()
    assert claims == sum(1 for line in GUIDE.read_text().splitlines() if CLAIM.search(line)) > 20
