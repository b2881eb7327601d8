"""Run the view: at a terminal, or without one for a picture of a conversation."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

from otterproof.harness.support.outputs import write_whole
from otterproof.harness.ui.proxy_view.app import ProxyApp
from otterproof.harness.ui.proxy_view.stage import Stage

#: CSS rules by which a picture would fetch fonts from elsewhere.
_FONTS = re.compile(r"@font-face\s*\{.*?\}\s*", re.S)


def show(stage: Stage, picture: Path | None = None) -> bool:
    """Show a conversation at a terminal until the person leaves; return whether a signal or a closed terminal ended it.

    Raises OutputError, and whatever ends the conversation.
    """
    app = ProxyApp(stage, sys.stdin.fileno())
    # Textual waits for its output to be written. The stream that guards standard error takes it if the terminal is
    # gone.
    before = sys.__stderr__
    setattr(sys, "__stderr__", sys.stderr)  # noqa: B010 (its type says that it never changes)
    try:
        app.run()
    finally:
        setattr(sys, "__stderr__", before)  # noqa: B010
    if app.error is not None:
        raise app.error
    if picture is not None and app.picture:
        write_whole(picture, as_picture(app.picture))
    return app.interrupted


def draw(stage: Stage, picture: Path, size: tuple[int, int]) -> bool:
    """Play a conversation to its end without a terminal, and draw the view; return whether a signal ended it.

    Raises OutputError, and whatever ends the conversation.
    """
    drawn = asyncio.run(_drawn(stage, size))
    if drawn:
        write_whole(picture, as_picture(drawn))
    return not drawn


async def _drawn(stage: Stage, size: tuple[int, int]) -> str:
    """The picture; "" if a signal came."""
    app = ProxyApp(stage)
    async with app.run_test(size=size) as pilot:
        while not (app.over or app.interrupted or app.error):
            await pilot.pause(0.05)
        if app.over and not app.interrupted:
            app.choose_telling()
            await pilot.pause(0.3)
            return app.export_screenshot()
    if app.error is not None:
        raise app.error
    return ""


def as_picture(svg: str) -> str:
    """A self-contained picture, which uses the reader's fonts."""
    return _FONTS.sub("", svg).replace("Fira Code", "DejaVu Sans Mono, Menlo, Consolas")
