"""What the documentation site needs beyond its theme: a reference of public names, equations without a script."""

import ast
import html
import re
from pathlib import Path

from latex2mathml.converter import convert

ROOT = Path(__file__).parents[1]


def on_page_markdown(markdown: str, page, **_: object) -> str:
    """Replaces `::: jaxvision.ROOM` by every public name of it; links that leave the site become their text."""
    if page.file.src_uri.startswith("api/"):
        return re.sub(r"^::: (jaxvision[\w.]*)$", lambda found: room(found[1]), markdown, flags=re.MULTILINE)
    return re.sub(r"\[([^\]]*)\]\((?:\.\./)+(?:README|CONTRIBUTING|checkpoints/\w+)\.md[^)]*\)", r"\1", markdown)


def on_page_content(content: str, **_: object) -> str:
    """Equations as MathML, which browsers set themselves."""
    pattern = r'<(span|div) class="arithmatex">(?:\\\(|\\\[)(.*?)(?:\\\)|\\\])</\1>'
    return re.sub(pattern, lambda found: _mathml(found[2], block=found[1] == "div"), content, flags=re.DOTALL)


def room(package: str) -> str:
    """The docstring of a package or module, and a directive for each public name, at the place that defines it.

    By way of the package a function with a file of its own name would be taken for the file.
    """
    path = ROOT.joinpath(*package.split("."))
    path = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    tree = ast.parse(path.read_text(encoding="utf-8"))
    origins = {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("jaxvision")
        for alias in node.names
    }
    public = next(
        (
            ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"
        ),
        None,
    )
    title = f"# `{package}`\n\n{ast.get_docstring(tree)}\n\n"
    if public is None:
        return f"{title}::: {package}\n    options: {{show_root_heading: false, show_docstring_description: false}}\n"
    constants = [f"`{name}`" for name in public if name.isupper()]
    if constants:
        title += f"Constants: {', '.join(constants)}.\n\n"
    return title + "\n\n".join(f"::: {origins.get(name, f'{package}.{name}')}" for name in public if not name.isupper())


def _mathml(tex: str, *, block: bool) -> str:
    parts = re.split(r"\$\$\s*\$\$", tex)  # equations on lines of their own that follow each other are taken for one
    return "".join(convert(html.unescape(part).strip(), display="block" if block else "inline") for part in parts)
