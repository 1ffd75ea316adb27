"""The project's files as the tidy tests see them: every tracked or new text file, every module parsed once.

Before: git says what is there. After: the tests of this folder judge it.
"""

import ast
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from pydantic import BaseModel

from varve.settings import Settings

ROOT = Path(__file__).parents[2]
PACKAGES = ("varve", "streams", "sink", "api")


@dataclass(frozen=True)
class Module:
    path: str
    text: str
    tree: ast.Module

    @property
    def package(self) -> str:
        return PurePosixPath(self.path).parts[0]

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())

    def walk(self, *kinds: type[ast.AST]) -> Iterator[ast.AST]:
        return (node for node in ast.walk(self.tree) if isinstance(node, kinds))

    def imports(self) -> Iterator[tuple[str, int]]:
        """Dotted names of all that is imported, wherever in the file, with the line."""
        for node in ast.walk(self.tree):
            match node:
                case ast.Import(names=names):
                    yield from ((name.name, node.lineno) for name in names)
                case ast.ImportFrom(module=str(source), names=names, level=0):
                    yield from ((f"{source}.{name.name}", node.lineno) for name in names)

    def dotted_uses(self) -> Iterator[tuple[str, int]]:
        """Every a.b.c that is read, as text, with the line."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Attribute):
                yield ast.unparse(node), node.lineno


@cache
def files() -> tuple[str, ...]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
    )
    return tuple(sorted(name for name in listed.stdout.decode().split("\0") if name and (ROOT / name).is_file()))


@cache
def modules() -> tuple[Module, ...]:
    found = []
    for path in files():
        if path.endswith(".py"):
            text = (ROOT / path).read_text()
            found.append(Module(path, text, ast.parse(text, path)))
    return tuple(found)


def own_modules() -> Iterator[Module]:
    """What is shipped: not tests, not bench."""
    return (module for module in modules() if module.package in PACKAGES)


def settings_fields() -> dict[str, tuple[Any, str]]:
    """VARVE_ name -> (default, help line)."""
    found = {}
    for name, field in Settings.model_fields.items():
        default = field.get_default(call_default_factory=True)
        if isinstance(default, BaseModel):
            for inner, row in type(default).model_fields.items():
                found[f"VARVE_{name}__{inner}".upper()] = (row.default, row.description or "")
        else:
            found[f"VARVE_{name}".upper()] = (default, field.description or "")
    return found
