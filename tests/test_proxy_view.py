"""The view of the proxy in use: keys, selection and display, in a small and a large window."""

from __future__ import annotations

import asyncio
import xml.etree.ElementTree as ElementTree
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

pytest.importorskip("textual", reason="pip install 'otterproof[proxy]'")

from textual.pilot import Pilot
from textual.widgets import Input, OptionList, RichLog, Static

from otterproof.harness.runs.proxy.actions import HOLD, PASS, Action
from otterproof.harness.runs.proxy.between import Conversation
from otterproof.harness.runs.proxy.relay import Relay
from otterproof.harness.runs.proxy.rules import Rules, rule_from_words
from otterproof.harness.runs.proxy.turns import turns_of
from otterproof.harness.runs.proxy.watched import Wanted
from otterproof.harness.targets.registry import open_target
from otterproof.harness.ui.proxy_view.app import ProxyApp
from otterproof.harness.ui.proxy_view.running import draw
from otterproof.harness.ui.proxy_view.stage import OfTargets, Stage
from tests.hostile.texts import EVERYTHING

pytestmark = pytest.mark.slow

Use = Callable[[ProxyApp, Pilot[None]], Awaitable[None]]


def stage_of(*rules: str, holds: bool = False) -> OfTargets:
    target = open_target("independent")
    director = Rules([rule_from_words(one) for one in rules], HOLD if holds else PASS)
    return OfTargets(lambda tell: Conversation((target, target), turns_of(), Wanted(director, tell)), director, 0)


def use(stage: Stage, person: Use, size: tuple[int, int] = (120, 40)) -> None:
    """Run the view with a simulated person."""

    async def run() -> None:
        app = ProxyApp(stage)
        async with app.run_test(size=size) as pilot:
            await person(app, pilot)
        assert app.error is None

    asyncio.run(run())


async def until(pilot: Pilot[None], so: Callable[[], bool]) -> None:
    """Wait until a condition holds; the test fails if it never does."""
    for _ in range(2000):
        if so():
            return
        await pilot.pause(0.01)
    raise AssertionError("it never comes")


def rows(app: ProxyApp) -> list[str]:
    shown = app.query_one("#conversation", OptionList)
    return [str(shown.get_option_at_index(index).prompt) for index in range(shown.option_count)]


def fields(app: ProxyApp) -> list[str]:
    shown = app.query_one("#fields", OptionList)
    return [str(shown.get_option_at_index(index).prompt) for index in range(shown.option_count)]


def text_of(app: ProxyApp, name: str) -> str:
    return str(app.query_one(name, Static).render())


def asks(app: ProxyApp) -> bool:
    return app.query_one("#command", Input).display


def log(app: ProxyApp) -> str:
    return "\n".join(strip.text for strip in app.query_one("#log", RichLog).lines)


@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
def test_a_conversation_as_it_flows(size: tuple[int, int]) -> None:
    async def person(app: ProxyApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.over)
        assert [row.split()[2] for row in rows(app)[:4]] == ["Query", "D-H", "D-H", "Reveal"]
        assert [row.split()[1] for row in rows(app)[:2]] == ["──▶", "◀──"]
        assert "over" in text_of(app, "#title")
        app.choose_telling()
        await pilot.pause()
        assert any("old_mac_keys" in field for field in fields(app))
        await pilot.press("home")
        await until(pilot, lambda: "#1 OTR Query" in text_of(app, "#about"))
        footer = app.query_one("Footer")
        assert all(key.region.right <= size[0] for key in footer.children), "all keys can be read"
        assert "otterproof" in app.export_screenshot()

    use(stage_of(), person, size)


def test_stepping_through() -> None:
    stage = stage_of(holds=True)

    async def person(app: ProxyApp, pilot: Pilot[None]) -> None:
        relay = stage.conversation.watched.relay
        await until(pilot, lambda: len(rows(app)) == 1)
        assert rows(app)[0].startswith("‖")
        await pilot.press("space")  # the query
        await until(pilot, lambda: len(rows(app)) == 2)
        assert not rows(app)[0].startswith("‖")
        await pilot.press("c")  # the commit, twice
        await until(pilot, lambda: any(row.startswith("+") for row in rows(app)))
        await until(pilot, lambda: any("D-H Key" in row for row in rows(app)))
        await pilot.press("end", "d")
        await until(pilot, lambda: any(row.startswith("✕") for row in rows(app)))
        await pilot.press("a", "h")
        await until(pilot, lambda: not stage.holds)
        await pilot.press("a")
        await until(pilot, lambda: not relay.held())

    use(stage, person)


def test_a_field_is_chosen_and_flipped() -> None:
    stage = stage_of("kind=dh_commit do=hold")

    async def person(app: ProxyApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: bool(stage.conversation.watched.relay.held()))
        await until(pilot, lambda: len(rows(app)) == 2)
        await pilot.press("tab", "end", "f")
        await until(pilot, lambda: "flip field=hashed_gx" in log(app))
        assert rows(app)[1].startswith("≠")

    use(stage, person)


def test_an_action_in_words() -> None:
    stage = stage_of("kind=query do=hold")

    async def person(app: ProxyApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(rows(app)) == 1)
        command = app.query_one("#command", Input)
        await pilot.press("colon")
        command.value = "do=nonsense"
        await pilot.press("enter")
        assert asks(app), "it is asked again"
        command.value = "do=inject message='hello [b]you[/b]'"
        await pilot.press("enter")
        await until(pilot, lambda: any("hello [b]you[/b]" in row for row in rows(app)))
        assert not asks(app)
        await pilot.press("colon", "escape")
        assert not asks(app)

    use(stage, person)


def test_a_user_acts_while_a_message_is_under_way() -> None:
    stage = stage_of("kind=query do=hold")

    async def person(app: ProxyApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: bool(stage.conversation.watched.relay.held()))
        left = stage.conversation.turns_left
        await pilot.press("t")
        await until(pilot, lambda: stage.conversation.turns_left < left)

    use(stage, person)


class Said(Stage):
    """A conversation with given messages."""

    def __init__(self, messages: list[bytes]) -> None:
        super().__init__(None)
        self._messages = messages
        self._relay = Relay(("alice", "bob"), Rules([]))
        self._relay.watchers.append(self.happenings.append)

    @property
    def relay(self) -> Relay:
        return self._relay

    @property
    def title(self) -> str:
        return EVERYTHING

    async def run(self) -> None:
        for message in self._messages:
            self._relay.hear("alice", message, 0)
        if b"break" in self._messages:
            raise OSError("the disk is full")

    def act(self, number: int, action: Action) -> None:
        raise AssertionError("nobody acts")


def test_foreign_text_is_only_text() -> None:
    hostile = [
        EVERYTHING.encode(errors="surrogatepass"),
        b"\x1b]0;title\x07\x1b[2J",
        b"[bold]x[/nonsense]",
        b"?OTR:AAMD.",
    ]

    async def person(app: ProxyApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: len(rows(app)) == len(hostile))
        for _ in hostile:
            await pilot.press("up")
            await pilot.pause()
        shown = "".join([*rows(app), *fields(app), text_of(app, "#title"), text_of(app, "#about")])
        assert all(one.isprintable() or one == "\n" for one in shown)
        ElementTree.fromstring(app.export_screenshot())

    use(Said(hostile), person)


def test_rows_have_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("otterproof.harness.ui.proxy_view.app.MOST_ROWS", 10)

    async def person(app: ProxyApp, pilot: Pilot[None]) -> None:
        await until(pilot, lambda: app.over)
        assert len(rows(app)) == 10
        assert "text 49" in rows(app)[-1]

    use(Said([b"text %d" % number for number in range(50)]), person)


def test_what_ends_the_conversation_is_not_lost() -> None:
    async def run() -> None:
        app = ProxyApp(Said([b"break"]))
        async with app.run_test() as pilot:
            await until(pilot, lambda: app.error is not None)
        assert isinstance(app.error, OSError)

    asyncio.run(run())


def test_a_picture_needs_nothing_from_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "view.svg"
    draw(stage_of("kind=data nth=1 do=duplicate"), path, (100, 30))
    svg = path.read_text()
    ElementTree.fromstring(svg)
    assert "@font-face" not in svg
    assert "url(http" not in svg
    assert "independent" in svg
