"""How Sphinx makes the site of these pages. `otterproof docs --site DIR` calls it, with warnings as errors.

The pages are Markdown that reads well without Sphinx too. What is taken from the code is either written into them by
`otterproof docs`, or, for the Python API, read from the docstrings while the site is built.
"""

from __future__ import annotations

import inspect
import re
from importlib.metadata import version as version_of

from sphinx.application import Sphinx

project = "Otterproof"
author = "Otterproof contributors"
project_copyright = author
version = release = version_of("otterproof")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]

highlight_language = "text"

# Headings have the anchors that they have on other sites that show Markdown.
myst_heading_anchors = 4
suppress_warnings = ["myst.header"]  # `include` of a part of the README begins below its first heading

smartquotes = False  # a quote on these pages is often one that is typed

# Single backquotes mean code in docstrings, as they do in Markdown.
default_role = "literal"
autodoc_default_options = {"members": True, "member-order": "bysource"}
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
add_module_names = False
python_maximum_signature_line_length = 88

html_theme = "furo"
html_title = f"Otterproof {version}"
html_copy_source = False
html_show_sphinx = False
html_permalinks_icon = "#"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]

# What is copied from a block of commands is the commands, without the prompts and what they print.
copybutton_prompt_text = "$ "
copybutton_line_continuation_character = "\\"

linkcheck_anchors = False
linkcheck_timeout = 20


def setup(app: Sphinx) -> None:
    """Register what is done to texts before Sphinx reads them."""
    app.connect("source-read", _anchors_as_targets)
    app.connect("source-read", _links_to_files)
    app.connect("autodoc-process-docstring", _names_as_list)
    app.connect("autodoc-process-signature", _factories_as_dots)


def _anchors_as_targets(_app: Sphinx, _page: str, source: list[str]) -> None:
    """An anchor that a page sets in HTML, in front of a paragraph, is one that other pages may link to."""
    source[0] = re.sub(r'^<a id="([^"]+)"></a>', r"(\1)=\n", source[0], flags=re.M)


def _links_to_files(_app: Sphinx, page: str, source: list[str]) -> None:
    """A link to a file of the project that is no page leads nowhere here; the file is named in its place."""
    up = re.escape("../" * (page.count("/") + 1))
    source[0] = re.sub(rf"\[([^]]+)\]\({up}([^)]+)\)", r"\1 (`\2`)", source[0])


def _names_as_list(_app: Sphinx, _what: str, _name: str, thing: object, _options: object, lines: list[str]) -> None:
    """Docstrings say what parameters and fields are in running text, `name: what it is.` Here each is an item."""
    try:
        known = set(inspect.signature(thing).parameters)  # type: ignore[arg-type]  # not all are callable
    except (TypeError, ValueError):
        return
    paragraphs = "\n".join(lines).split("\n\n")
    for number, paragraph in enumerate(paragraphs):
        parts = re.split(r"(?:^|(?<=[.;]) )(\w+(?:, \w+)*): ", " ".join(paragraph.split()))
        if len(parts) < 3 or not {name for names in parts[1::2] for name in names.split(", ")} <= known:
            continue
        items = [
            f"- {', '.join(f'``{name}``' for name in names.split(', '))}: {text.strip().rstrip(';.')}."
            for names, text in zip(parts[1::2], parts[2::2], strict=True)
        ]
        paragraphs[number] = "\n".join([parts[0].strip(), "", *items] if parts[0].strip() else items)
    lines[:] = "\n\n".join(paragraphs).split("\n")


def _factories_as_dots(
    _app: Sphinx, _what: str, _name: str, _thing: object, _options: object, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """A default that a dataclass makes has no form in Python that Sphinx could read."""
    return signature and signature.replace("<factory>", "..."), returned
