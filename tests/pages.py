"""Pages of the docs: their fenced blocks, and whether what they quote stands where they say."""

import ast
import re
from typing import NamedTuple

from helpers import ROOT

NUMBER = re.compile(r'-?\d+\.?\d*')


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str  # 'python' runs, 'py' is a quotation, 'text' is the output of the block before it
    before: str  # the last line of text above it
    code: str


def blocks(page: str) -> list[Block]:
    """Of the page `docs/<page>`, in order."""
    text = (ROOT / 'docs' / page).read_text()
    fences = re.finditer(r'^```(\w+)\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
    return [Block(fence[1], text[: fence.start()].rstrip().rpartition('\n')[2], fence[2]) for fence in fences]


def quotations(page: str) -> list[Block]:
    """Its blocks under the name of a file and of what is defined there."""
    return [block for block in blocks(page) if block.language == 'py']


def check_quotation(block: Block) -> None:
    """Asserts that a quotation stands in the file that it names; `...` stands for lines left out."""
    file, name = re.fullmatch(r'`(\S+\.py)`, `(\w+)`:', block.before).groups()
    source = (ROOT / file).read_text()
    defined = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.Assign):
            defined |= {target.id for target in node.targets if isinstance(target, ast.Name)}
    assert name in defined
    for passage in re.split(r'^ *\.\.\.\n', block.code, flags=re.MULTILINE):
        assert unformatted(passage) in unformatted(source)


def unformatted(code: str) -> str:
    """The code as far as a formatter leaves it alone."""
    return re.sub(r',(?=[)\]}])', '', re.sub(r'\s', '', code))


def words(text: str) -> list[str]:
    """Of what was printed, all but its numbers."""
    return NUMBER.sub('', text).split()


def numbers(text: str) -> list[float]:
    """Of what was printed, in order."""
    return [float(number) for number in NUMBER.findall(text)]
