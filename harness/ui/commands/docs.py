"""`otterproof docs`: write the generated pages of the documentation, or say which ones are out of date.

It also builds the site of all pages, which needs Sphinx: the extra `docs`.
"""

from __future__ import annotations

import argparse

from otterproof.harness.spec import choices, defects, pages, requirements
from otterproof.harness.spec.checks import page as checks_page
from otterproof.harness.spec.states import page as states_page
from otterproof.harness.support.exits import CONFORMS, DEVIATES
from otterproof.harness.support.outputs import write_whole
from otterproof.harness.testkit.scenario import load
from otterproof.harness.ui import (
    command_line_page,
    configuration_page,
    documentation_site,
    oracles_page,
    protocol_page,
    rooms_page,
)
from otterproof.harness.ui.messages import complain, say
from otterproof.harness.ui.options import check_folder
from otterproof.harness.ui.progress import working
from otterproof.harness.ui.results import check_json, put_result, shows_text
from otterproof.vectors import page as vectors_page

#: Modules that register a page on import. Scenarios register theirs when they are loaded.
_REGISTERED = (
    checks_page,
    choices,
    command_line_page,
    configuration_page,
    defects,
    oracles_page,
    protocol_page,
    requirements,
    rooms_page,
    states_page,
)

pages.register("reference/vectors-operations.md", vectors_page.render)


def run(options: argparse.Namespace) -> int:
    check_json(options)
    load()
    if options.pictures:
        with working("holding conversations with programs"):
            recorded = pages.record()
        if shows_text(options):
            say(f"recorded again, with pictures: {', '.join(recorded)}")
    with working("making the pages"):
        made = pages.made()
        stale = pages.outdated(made)
    if options.check:
        for name in stale:
            complain(f"docs/{name} is out of date; run `otterproof docs`")
    else:
        for name in stale:
            write_whole(pages.DOCS / name, made[name])
        if shows_text(options):
            say(f"{len(made)} generated pages are up to date; written: {', '.join(stale) or 'none'}")
    if options.site:
        _make_site(options)
    if options.links:
        with working("following links"):
            documentation_site.check_links()
        if shows_text(options):
            say("all links to other sites work")
    put_result(options, "docs", {"pages": sorted(made), "stale": stale, "written": not options.check})
    return DEVIATES if options.check and stale else CONFORMS


def _make_site(options: argparse.Namespace) -> None:
    check_folder(options.site, "--site")
    with working("making the site"):
        documentation_site.build(options.site)
    if shows_text(options):
        say(f"the site is {options.site / 'index.html'}")
