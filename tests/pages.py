"""Pages of the docs: their text and fenced blocks, and whether what they quote stands where they say."""

import ast
import json
import re
from typing import NamedTuple

from helpers import ROOT

PAGES = [
    *('README.md', 'CONTRIBUTING.md'),
    *sorted(f'docs/{path.name}' for path in (ROOT / 'docs').iterdir() if path.suffix in ('.md', '.ipynb')),
]
FENCE = re.compile(r'^ *```(\w*)\n(.*?)^ *```$', re.MULTILINE | re.DOTALL)
NUMBER = re.compile(r'-?\d+\.?\d*')


class Block(NamedTuple):
    """A fenced block of a page."""

    language: str  # 'python' and 'sh' run, 'py' is a quotation, 'text' is the output of the block before it
    before: str  # the last line of text above it
    text: str


def read(page: str) -> str:
    """The text of a page, by its path; of a notebook that between its code, of a config its docstring."""
    text = (ROOT / page).read_text()
    if page.endswith('.ipynb'):
        cells = json.loads(text)['cells']
        return '\n\n'.join(''.join(cell['source']) for cell in cells if cell['cell_type'] == 'markdown')
    return text if page in PAGES else ast.get_docstring(ast.parse(text)) or ''


def blocks(page: str) -> list[Block]:
    """Those of a page, in order."""
    text = read(page)
    return [
        Block(fence[1], text[: fence.start()].rstrip().rpartition('\n')[2], fence[2])
        for fence in FENCE.finditer(text)
    ]


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
    for passage in re.split(r'^ *\.\.\.\n', block.text, flags=re.MULTILINE):
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
