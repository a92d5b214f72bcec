"""One HTML page that opens from disk: pictures first, then what they are, the command that made them, the numbers.

The page is plain HTML and CSS: no fonts or files from elsewhere, pictures by relative path. Where two pictures are
compared, a slider with one line of script uncovers one below the other; without scripts it shows half of each.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote

from PIL import Image

from jaxvision.files import atomic_write


@dataclass(frozen=True)
class Picture:
    """A picture file below the page's folder, and what one sees on it."""

    path: Path
    alt: str
    caption: str = ""


@dataclass(frozen=True)
class Comparison:
    """Two pictures of one size, the second laid over the first as far as a slider says."""

    before: Picture
    after: Picture
    caption: str


@dataclass(frozen=True)
class Exhibit:
    """One section of the page.

    Args:
        name: a short word, the section's anchor.
        title: its heading.
        pictures: shown above everything else.
        text: paragraphs, plain text.
        command: what makes the same from a terminal.
        numbers: name and value, both as they are to be read.
        paper: where the method comes from, and its link.
        comparisons: shown below the pictures.
    """

    name: str
    title: str
    pictures: tuple[Picture, ...]
    text: tuple[str, ...]
    command: str
    numbers: tuple[tuple[str, str], ...]
    paper: tuple[str, str] | None = None
    comparisons: tuple[Comparison, ...] = ()


def write_page(path: Path, title: str, lead: Sequence[str], exhibits: Sequence[Exhibit], footer: str) -> Path:
    """Writes the page, whole or not at all.

    Args:
        path: the HTML file; every picture lies in its folder or below.
        title: the page's heading.
        lead: paragraphs below it.
        exhibits: the sections in reading order.
        footer: one line at the end.

    Returns:
        `path`.

    Raises:
        ValueError: if a picture lies outside the page's folder (the page could not be moved).
    """
    sections = "\n".join(_section(exhibit, path.parent) for exhibit in exhibits)
    links = "\n".join(f'<a href="#{escape(e.name)}">{escape(e.title)}</a>' for e in exhibits)
    body = f"""<header>
<h1>{escape(title)}</h1>
{_paragraphs(lead)}
<nav aria-label="Exhibits">
{links}
</nav>
</header>
<main>
{sections}
</main>
<footer><p>{escape(footer)}</p></footer>"""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as file:
        file.write(_PAGE.format(title=escape(title), style=_STYLE, body=body).encode())
    return path


def _section(exhibit: Exhibit, folder: Path) -> str:
    figures = "\n".join(
        [_figure(picture, folder) for picture in exhibit.pictures]
        + [_comparison(comparison, folder) for comparison in exhibit.comparisons]
    )
    numbers = "\n".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in exhibit.numbers)
    # Each word in a box of its own: a browser would break a line at the hyphens of a flag.
    command = " ".join(f"<span>{escape(word)}</span>" for word in exhibit.command.split(" "))
    paper = ""
    if exhibit.paper:
        words, link = exhibit.paper
        paper = f'<p class="paper"><a href="{escape(link)}">{escape(words)}</a></p>'
    return f"""<section id="{escape(exhibit.name)}">
{figures}
<div class="label">
<div>
<h2>{escape(exhibit.title)}</h2>
{_paragraphs(exhibit.text)}
{paper}
</div>
<div>
<pre tabindex="0"><code>{command}</code></pre>
<dl>
{numbers}
</dl>
</div>
</div>
</section>"""


def _figure(picture: Picture, folder: Path) -> str:
    caption = f"<figcaption>{escape(picture.caption)}</figcaption>" if picture.caption else ""
    # On a narrow screen a sheet stays wide enough to be read, and is moved sideways; the link shows it in full.
    return f'<figure><a href="{_source(picture, folder)}">{_image(picture, folder)}</a>{caption}</figure>'


def _comparison(comparison: Comparison, folder: Path) -> str:
    before, after = (_image(picture, folder) for picture in (comparison.before, comparison.after))
    move = "this.parentElement.style.setProperty('--shown', this.value + '%')"
    label = escape(f"How much is shown of: {comparison.after.alt}")
    return (
        f'<figure class="comparison"><div>{before}{after}</div>'
        f'<input type="range" min="0" max="100" value="50" aria-label="{label}" oninput="{move}">'
        f"<figcaption>{escape(comparison.caption)}</figcaption></figure>"
    )


def _image(picture: Picture, folder: Path) -> str:
    """With its size, which lets the page lie still while it loads."""
    with Image.open(picture.path) as image:
        width, height = image.size
    return f'<img src="{_source(picture, folder)}" width="{width}" height="{height}" alt="{escape(picture.alt)}">'


def _source(picture: Picture, folder: Path) -> str:
    return quote(picture.path.resolve().relative_to(folder.resolve()).as_posix())


def _paragraphs(texts: Sequence[str]) -> str:
    return "\n".join(f"<p>{escape(text)}</p>" for text in texts)


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
{body}
</body>
</html>
"""

_STYLE = """\
:root {
  --paper: #fbfaf7; --card: #ffffff; --ink: #1f2328; --soft: #5d6673; --rule: #e4e1da; --accent: #a4511b;
  --code: #f3f0ea; --serif: "Iowan Old Style", "Palatino Linotype", Palatino, "Book Antiqua", Georgia, serif;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  --mono: ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181b; --card: #ffffff; --ink: #e7e5e0; --soft: #a0a6af; --rule: #2d3136; --accent: #e8a063;
    --code: #202327;
  }
  figure a { filter: brightness(0.92); }
}
* { box-sizing: border-box; }
html { scroll-behavior: smooth; -webkit-text-size-adjust: 100%; }
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1.0625rem/1.6 var(--serif); }
header, main, footer { max-width: 72rem; margin: 0 auto; padding: 0 clamp(1rem, 4vw, 2.5rem); }
header { padding-top: clamp(2.5rem, 8vw, 5rem); }
h1 { font-size: clamp(2.4rem, 7vw, 3.8rem); font-weight: 500; line-height: 1.05; letter-spacing: -0.02em;
  margin: 0 0 1.2rem; }
h2 { font-size: clamp(1.5rem, 4vw, 2rem); font-weight: 500; line-height: 1.2; margin: 0 0 0.7rem; }
p { max-width: 40em; margin: 0 0 0.9em; text-wrap: pretty; }
header p:first-of-type { font-size: 1.25rem; line-height: 1.5; }
header p:not(:first-of-type) { color: var(--soft); }
nav { display: flex; flex-wrap: wrap; gap: 0.4rem 1.4rem; margin-top: 1.6rem; padding: 0.8rem 0;
  border-block: 1px solid var(--rule); font: 0.9rem/1.5 var(--sans); }
a { color: var(--accent); text-decoration: none; }
a:hover, a:focus-visible { text-decoration: underline; text-underline-offset: 0.2em; }
section { padding: clamp(2.2rem, 6vw, 4rem) 0; border-bottom: 1px solid var(--rule); scroll-margin-top: 1rem; }
section:last-child { border-bottom: 0; }
figure { margin: 0 0 1.2rem; }
figure a { display: block; background: var(--card); border: 1px solid var(--rule); border-radius: 10px;
  padding: clamp(0.4rem, 1.5vw, 1rem); overflow-x: auto; }
figure img { display: block; width: auto; max-width: max(100%, 42rem); height: auto; margin: 0 auto; }
.comparison { --shown: 50%; max-width: 34rem; margin-inline: auto; }
.comparison div { position: relative; border: 1px solid var(--rule); border-radius: 10px; overflow: hidden; }
.comparison img { width: 100%; max-width: none; }
.comparison img + img { position: absolute; inset: 0; clip-path: inset(0 calc(100% - var(--shown)) 0 0); }
.comparison input { display: block; width: 100%; margin: 0.7rem 0 0; accent-color: var(--accent); }
figcaption { font: 0.875rem/1.5 var(--sans); color: var(--soft); margin-top: 0.5rem; max-width: 60em; }
pre { font: 0.875rem/1.6 var(--mono); background: var(--code); border-radius: 8px; padding: 0.8rem 1rem;
  margin: 0.3rem 0 1.2rem; white-space: pre-wrap; overflow-x: auto; }
pre span { white-space: nowrap; }
pre code::before { content: "$ "; color: var(--soft); }
.label { display: grid; gap: 1.2rem 3.5rem; margin-top: 1.8rem; }
@media (min-width: 60rem) { .label { grid-template-columns: 1fr 1fr; } }
dl { display: grid; grid-template-columns: repeat(auto-fill, minmax(10rem, 1fr)); gap: 1rem 1.6rem;
  margin: 1.2rem 0 0; }
dt { font: 0.8125rem/1.4 var(--sans); color: var(--soft); }
dd { margin: 0.1rem 0 0; font-size: 1.2rem; line-height: 1.35; font-variant-numeric: tabular-nums; }
.paper { font: 0.875rem/1.5 var(--sans); margin: 0; max-width: none; }
footer { font: 0.875rem/1.5 var(--sans); color: var(--soft); padding-bottom: 3rem; }
"""
