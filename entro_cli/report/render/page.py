"""The machinery of every page: templates, styles, charts that follow the theme, and plotly.js beside or inside it.

A page asks nobody for anything: its styles and its script are inside, plotly.js is a file stored once beside the pages,
or inside too, and a content-security policy forbids the rest.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from markupsafe import Markup, escape

from entro_cli.core.console import printable
from entro_cli.core.files import refuse_to_overwrite, write_whole
from entro_cli.core.resources import bundled
from entro_engine import EntroError

_PLOTLY_VERSION = "4.1.1"
"""Of the plotly.js in templates/plotly: its cartesian bundle, a third of what plotly.py carries."""

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


@dataclass(frozen=True)
class Chart:
    """A figure as a page holds it.

    Attributes:
        id: of its `div`, unique on the page and the same each time the page is made.
        description: what it shows, in a sentence, for those who do not see it.
        height: px.
        figure: data and layout as JSON, safe inside a `<script>`.
    """

    id: str
    description: str
    height: int
    figure: Markup

    def packed(self) -> str:
        """The figure as a page holds it in which everything is packed."""
        return _packed(self.figure.encode())


@dataclass(frozen=True)
class _Library:
    """How plotly.js comes to a page: the name of the file beside it, or packed inside; and what allows it to run."""

    file: str
    packed: str
    source: str


def chart(name: str, description: str, figure: Figure, height: int = 320) -> Chart:
    """Make a figure ready for a page.

    Colours may be written as `var(--NAME)`, a property of `style.css`: they then follow light and dark. Text from a
    log must have gone through `escape_for_plotly`.

    Args:
        name: the id of its `div`.
        description: what it shows, in a sentence.
        figure: a Plotly figure; its own height is ignored.
        height: px.
    """
    text = figure.to_json(engine="json")  # orjson, used when it happens to be there, writes other bytes
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Chart(name, description, height, Markup(text))  # noqa: S704 - every < > & was escaped above


def escape_for_plotly(text: str) -> str:
    """Text from a log as Plotly shows it, letter by letter: it would read `<b>` or `<a href=...>` as markup."""
    return str(escape(printable(text)))


def render_page(
    template: str,
    context: Mapping[str, object],
    self_contained: bool = False,
    charts: bool = True,
    template_dir: Path | None = None,
) -> str:
    """Render a page that extends `page.html`.

    Args:
        template: its name in the folder of templates.
        context: what it gets, besides `page`, which is taken.
        self_contained: put plotly.js inside; without it, the page looks for the file `store_plotly` writes beside it.
        charts: whether it has any; a page without them has no script at all.
        template_dir: a folder with templates that take the place of those of the same name.

    Returns:
        The page; the same bytes for the same context.

    Raises:
        EntroError: when the templates are not where the package should have them.
    """
    templates = template_environment(escaping=True, template_dir=template_dir)
    script = (bundled("templates") / "page.js").read_text(encoding="utf-8")
    library = None if not charts else _packed_library() if self_contained else _linked_library()
    page = {
        "style": Markup(_style(template_dir).read_text(encoding="utf-8")),  # noqa: S704 - ours or the user's, not from a log
        "script": Markup(script),  # noqa: S704 - ours too
        "policy": _policy(script, library),
        "library": library,
    }
    return render_template(templates, template, {**context, "page": page}, template_dir)


def render_template(templates: Environment, name: str, context: Mapping[str, object], template_dir: Path | None) -> str:
    """A template filled in.

    Args:
        templates: where it is found.
        name: its name.
        context: what it gets.
        template_dir: the folder of templates that the user named.

    Raises:
        EntroError: when one of the user's own cannot be filled in; what is wrong with ours is a mistake of ours.
    """
    try:
        return templates.get_template(name).render(context)
    except TemplateError as error:
        if template_dir is None:
            raise
        line = getattr(error, "lineno", None)
        raise EntroError(
            f"the template cannot be filled in: {printable(str(error.message or error))}",
            where=printable(str(template_dir / (getattr(error, "name", None) or name)))
            + (f", line {line}" if line else ""),
            expected="what docs/templates.md lists",
        ) from error


def _style(template_dir: Path | None) -> Path:
    """The style sheet: the user's, where there is one among their templates."""
    theirs = None if template_dir is None else template_dir / "style.css"
    return theirs if theirs is not None and theirs.is_file() else bundled("templates") / "style.css"


def template_environment(
    escaping: bool, clean: Callable[[str], str] = printable, template_dir: Path | None = None
) -> Environment:
    """The Jinja environment of the templates; a name a template asks for and does not get is an error.

    Args:
        escaping: whether values are text to be escaped for HTML.
        clean: what every text a template prints goes through; without it, control characters are written out.
        template_dir: a folder with templates that take the place of those of the same name.
    """
    folders = [folder for folder in (template_dir, bundled("templates")) if folder is not None]
    return Environment(
        loader=FileSystemLoader(folders),
        autoescape=escaping,  # noqa: S701 - off only for the terminal, which is no HTML
        undefined=StrictUndefined,
        finalize=lambda value: clean(value) if type(value) is str else value,  # not what is markup already
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def store_page(
    path: Path, render: Callable[[bool], str], self_contained: bool = False, inputs: Iterable[str | Path] = ()
) -> None:
    """Write a page, and plotly.js beside it unless it is inside.

    Args:
        path: where to; nothing can lie beside a pipe or a device, so plotly.js is then inside.
        render: makes the page, told whether plotly.js is to be inside.
        self_contained: put it inside in any case.
        inputs: the files the page was made from, which are not written over.

    Raises:
        EntroError: when it cannot be written, or is one of the inputs.
    """
    refuse_to_overwrite(path, inputs)
    alone = self_contained or (path.exists() and not path.is_file())
    page = render(alone)
    if not alone:
        store_plotly(path.parent)
    write_whole(path, page)


def store_plotly(folder: Path) -> Path:
    """Put plotly.js beside the pages of a folder, once: it is written only where it is absent or different.

    Returns:
        Its path; the version is in its name, so that older pages keep theirs.

    Raises:
        EntroError: when it cannot be written.
    """
    target, content = folder / _plotly_file(), _plotly_source()
    if not (target.is_file() and target.stat().st_size == len(content) and target.read_bytes() == content):
        write_whole(target, content)
    return target


def _plotly_source() -> bytes:
    return (bundled("templates") / "plotly" / "plotly-cartesian.min.js").read_bytes()


def _plotly_file() -> str:
    return f"plotly-cartesian-{_PLOTLY_VERSION}.min.js"


def _linked_library() -> _Library:
    return _Library(_plotly_file(), "", "'self' file:")  # not every browser takes 'self' to mean a file beside a file


def _packed_library() -> _Library:
    """Packed: less than half of it, and no `</script>` in it can end the element early."""
    source = _plotly_source()
    return _Library("", _packed(source), _hash(source))


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()


def _policy(script: str, library: _Library | None) -> str:
    """The content-security policy: our script by its hash, plotly.js, styles; images only as data (saved charts)."""
    rules = {
        "default-src": "'none'",
        "script-src": f"{_hash(script.encode())} {library.source}" if library else "'none'",
        "style-src": "'unsafe-inline'",  # Plotly sets styles on what it draws
        "img-src": "data: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hash(script: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
