"""Common parts of all pages: templates, the style sheet, charts that follow the theme, and plotly.js.

A page works offline. It contains its styles and its script. plotly.js is one file in the folder of the pages, or packed
into the page. A content-security policy forbids everything else.
"""

from __future__ import annotations

import base64
import fcntl
import gzip
import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError
from markupsafe import Markup, escape
from msgspec import Struct
from msgspec.structs import replace

from entro_cli.core.console import printable
from entro_cli.core.files import bundled, refuse_to_overwrite, write_whole
from entro_engine import EntroError

_PLOTLY_VERSION = "4.1.1"
"""Version of templates/plotly: the cartesian bundle of plotly.js, a third of the size of the one in plotly.py."""

_FLOAT_BYTES = 4
_FROM_FOLDER = "'self' file:"
"""Sources of the scripts of a page: opened from disk, not every browser takes 'self' to include files."""

_FAULTS = (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError)
"""Errors that an expression of a template can raise."""

_ARRAY = re.compile(r'"bdata":"([^"#]+)"')

if TYPE_CHECKING:
    from plotly.graph_objects import Figure


class Chart(Struct, frozen=True):
    """A chart of a page.

    Attributes:
        id: id of its `div`, unique on the page and constant, so that pages can be compared byte by byte.
        description: its content in a sentence, for screen readers.
        height: height, px.
        figure: data and layout as JSON, safe inside a `<script>`.
    """

    id: str
    description: str
    height: int
    figure: Markup

    def packed(self) -> str:
        """Return the figure compressed, for a self-contained page."""
        return _packed(self.figure.encode())


class SharedArrays(Struct, frozen=True):
    """The arrays of all charts of a page, in base64."""

    arrays: tuple[str, ...]
    id: str = "arrays"

    @property
    def figure(self) -> Markup:
        """The arrays as a JSON list."""
        return Markup(json.dumps(self.arrays))  # noqa: S704 - base64

    def packed(self) -> str:
        """Return their bytes compressed, after a line with the length of each.

        Base64 compresses badly, and so do floats: their first bytes come first, then their second ones, and so on.
        """
        decoded = [base64.b64decode(array) for array in self.arrays]
        contents = [b"".join(each[at::_FLOAT_BYTES] for at in range(_FLOAT_BYTES)) for each in decoded]
        return _packed(b"\n".join([json.dumps([len(each) for each in contents]).encode(), b"".join(contents)]))


def chart(name: str, description: str, figure: Figure, height: int = 320) -> Chart:
    """Prepare a figure for a page.

    Colours may be custom properties of `style.css`, written `var(--NAME)`. They follow the light and the dark theme.
    Text from a log must have been passed through `escape_for_plotly`.

    Args:
        name: id of its `div`.
        description: its content in a sentence.
        figure: a Plotly figure. Its height is ignored.
        height: height, px.
    """
    text = figure.to_json(engine="json")  # an installed orjson would be used by default, and writes other bytes
    for char in "<>&\u2028\u2029":
        text = text.replace(char, f"\\u{ord(char):04x}")
    return Chart(name, description, height, Markup(text))  # noqa: S704 - every < > & was escaped above


def share_arrays(charts: Mapping[str, Chart]) -> tuple[dict[str, Chart], SharedArrays]:
    """Return charts whose arrays are stored once for all of them, and these arrays.

    The charts of a page have the same times, and a long report has megabytes of them.

    Args:
        charts: the charts of a page.

    Returns:
        The charts, with `#NUMBER` in place of each array, and the arrays.
    """
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        array = found[1].replace("\\u002f", "/")  # Plotly escapes it
        return f'"bdata":"#{numbers.setdefault(array, len(numbers))}"'

    shared = {
        name: replace(each, figure=Markup(_ARRAY.sub(number, each.figure)))  # noqa: S704 - base64 became a number
        for name, each in charts.items()
    }
    return shared, SharedArrays(tuple(numbers))


def escape_for_plotly(text: str) -> str:
    """Return text from a log so that Plotly shows it literally. Plotly interprets `<b>` or `<a href=...>` as markup."""
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
        template: file name of the template.
        context: values for the template. The name `page` is reserved.
        self_contained: include plotly.js. Otherwise the page loads the file that `store_plotly` writes in its folder.
        charts: whether the page has charts. A page without charts has no script at all.
        template_dir: a folder with templates that replace the built-in ones of the same name.

    Returns:
        The page, with identical bytes for an identical context.

    Raises:
        EntroError: if the package's templates are missing, or the user's template is faulty.
    """
    templates = template_environment(escaping=True, template_dir=template_dir)
    script = (bundled("templates") / "page.js").read_text(encoding="utf-8")
    source = _plotly_source() if charts and self_contained else b""
    # Packed, it has less than half the size, and contains no `</script>` that would end the element early.
    library = {"file": "" if source else _plotly_file(), "packed": _packed(source) if source else ""}
    scripts = f"{_hash(script.encode())} {_hash(source) if source else _FROM_FOLDER}" if charts else "'none'"
    page = {
        "style": Markup(_style(template_dir).read_text(encoding="utf-8", errors="replace")),  # noqa: S704 - ours or the user's, not from a log
        "script": Markup(script),  # noqa: S704 - ours too
        "policy": _policy(scripts),
        "library": library if charts else None,
    }
    return render_template(templates, template, {**context, "page": page}, template_dir)


def render_template(templates: Environment, name: str, context: Mapping[str, object], template_dir: Path | None) -> str:
    """Render a template.

    Args:
        templates: environment of the templates.
        name: file name of the template.
        context: values for the template.
        template_dir: the user's folder of templates, if there is one.

    Raises:
        EntroError: if the user's template is faulty. An error in a built-in template is a bug, and is raised as it is.
    """
    try:
        return templates.get_template(name).render(context)
    except (TemplateError, *_FAULTS) as error:
        if template_dir is None:
            raise
        line = getattr(error, "lineno", None)
        path = printable(str(template_dir / (getattr(error, "name", None) or name)))
        raise EntroError(
            f"cannot render the template: {printable(getattr(error, 'message', None) or str(error))}",
            where=f"{path}, line {line}" if line else path,
            remedy=f"compare it with {bundled('templates') / name}",
        ) from error


def _style(template_dir: Path | None) -> Path:
    """Return the path of the style sheet: the user's if there is one, else the built-in one."""
    custom = None if template_dir is None else template_dir / "style.css"
    return custom if custom is not None and custom.is_file() else bundled("templates") / "style.css"


def template_environment(
    escaping: bool, clean: Callable[[str], str] = printable, template_dir: Path | None = None
) -> Environment:
    """Return the Jinja environment of the templates. A name missing from the context is an error.

    That of the built-in templates is kept, because compiling them takes longer than rendering them. A user may add a
    file to a folder at any time.

    Args:
        escaping: escape values for HTML.
        clean: applied to every text that a template prints; by default it replaces control characters.
        template_dir: a folder with templates that replace the built-in ones of the same name.
    """
    return (_environment if template_dir is None else _environment.__wrapped__)(escaping, clean, template_dir)


@lru_cache(maxsize=16)
def _environment(escaping: bool, clean: Callable[[str], str], template_dir: Path | None) -> Environment:
    folders = [folder for folder in (template_dir, bundled("templates")) if folder is not None]
    kind = Environment
    if template_dir is not None:  # its templates may be from others, and must not reach what can run a command
        from jinja2.sandbox import SandboxedEnvironment

        kind = SandboxedEnvironment
    return kind(
        loader=FileSystemLoader(folders),
        autoescape=escaping,
        undefined=StrictUndefined,
        finalize=lambda value: clean(value) if type(value) is str else value,  # Markup is safe already
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


_OTHER_SUFFIXES = {".pdf", ".json", ".md", ".txt", ".csv", ".xml", ".eml", ".png", ".svg"}


def store_page(
    path: Path, render: Callable[[bool], str], self_contained: bool = False, inputs: Iterable[str | Path] = ()
) -> None:
    """Write a page, and plotly.js in its folder unless the page contains it.

    Args:
        path: file to write.
        render: makes the page; its argument is whether to include plotly.js.
        self_contained: include plotly.js in the page.
        inputs: files that the page was made from, which must not be overwritten.

    Raises:
        EntroError: if the page cannot be written, is one of the inputs, or has the suffix of something else.
    """
    refuse_to_overwrite(path, inputs)
    if path.suffix.lower() in _OTHER_SUFFIXES:
        raise EntroError(
            "has the suffix of something else than a page",
            where=printable(str(path)),
            expected="a name that ends with .html, or --format for another form",
        )
    # A pipe or a device has no folder for plotly.js.
    packed = self_contained or (path.exists() and not path.is_file())
    page = render(packed)
    if not packed:
        store_plotly(path.parent)
    with folder_lock(path.parent):
        write_whole(path, page)


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Lock a folder while a page or the index is written to it, if the folder exists.

    Several pipelines may finish at once. With the lock, the last one to write the index has seen all reports, and none
    adds links to a page that another one is replacing.
    """
    try:
        handle = os.open(folder, os.O_RDONLY)
    except OSError:
        yield
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def store_plotly(folder: Path) -> Path:
    """Write plotly.js to a folder of pages, unless it is already there.

    Returns:
        Its path. The name contains the version, so that older pages keep working with theirs.

    Raises:
        EntroError: if the file cannot be written.
    """
    target, content = folder / _plotly_file(), _plotly_source()
    if not (target.is_file() and target.stat().st_size == len(content) and target.read_bytes() == content):
        write_whole(target, content)
    return target


def _plotly_source() -> bytes:
    return (bundled("templates") / "plotly" / "plotly-cartesian.min.js").read_bytes()


def _plotly_file() -> str:
    return f"plotly-cartesian-{_PLOTLY_VERSION}.min.js"


def _packed(content: bytes) -> str:
    return base64.b64encode(gzip.compress(content, mtime=0)).decode()  # without a time, the bytes stay the same


def _policy(scripts: str) -> str:
    """Return the content-security policy: scripts as given, styles, and data images (saved charts)."""
    rules = {
        "default-src": "'none'",
        "script-src": scripts,
        "style-src": "'unsafe-inline'",  # Plotly sets styles on what it draws
        "img-src": "data: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _hash(script: bytes) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script).digest()).decode()}'"
