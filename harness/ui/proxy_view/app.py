"""The view: the conversation on the left, the selected message on the right, and what happens below.

Messages come from programs that may send anything, so they are made printable and shown as text without markup. The
view keeps a limited number of rows and lines.
"""

from __future__ import annotations

import select
import threading
from contextlib import ExitStack
from typing import ClassVar

from rich.text import Text
from textual import work
from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Footer, Input, OptionList, RichLog, Static
from textual.widgets.option_list import Option

from otterproof.harness.runs.proxy.actions import DROP, PASS, Action
from otterproof.harness.runs.proxy.items import Happening, Item, What
from otterproof.harness.runs.proxy.rules import rule_from_words
from otterproof.harness.support.errors import CommandError
from otterproof.harness.support.printable import printable
from otterproof.harness.ui.loop_signals import ended_by_signals
from otterproof.harness.ui.proxy_view.rows import field_rows, log_line, marked_by, row
from otterproof.harness.ui.proxy_view.stage import Stage
from otterproof.harness.ui.proxy_words import brief
from otterproof.harness.wire import Message

#: The most rows of the conversation, and lines of the log, that the view keeps.
MOST_ROWS, MOST_LOG = 1000, 500

#: With at least this many lines, a field has its meaning below it.
_ROOMY = 32

#: How often the view takes new happenings, in seconds, and how many at once.
_EVERY, _AT_ONCE = 0.05, 200

#: The fields for which `flip` is most interesting, if none is selected.
_TELLING = ("encrypted_message", "encrypted_signature", "gy", "hashed_gx", "text", "piece", "versions")


class ProxyApp(App[None]):
    """The view.

    error: what ended the conversation early, if anything. picture: its appearance when the person left. interrupted: a
    signal has ended it, or the terminal is gone.
    """

    TITLE = "otterproof proxy"
    ENABLE_COMMAND_PALETTE = False
    CSS_PATH = "view.tcss"

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("tab", "other_pane", "Pane", priority=True),
        Binding("space", "pass", "Go"),
        Binding("a", "pass_all", "All"),
        Binding("d", "drop", "Drop"),
        Binding("c", "duplicate", "Copy"),
        Binding("r", "replay", "Replay"),
        Binding("f", "flip", "Flip"),
        Binding("b", "reflect", show=False),
        Binding("h", "hold", "Hold"),
        Binding("t", "turn", "Turn"),
        Binding("colon", "command", "Do", key_display=":"),
        Binding("escape", "leave_command", show=False, priority=True),
        Binding("q", "quit", "Quit"),
    ]

    def __init__(self, stage: Stage, terminal: int | None = None) -> None:
        """terminal: the descriptor from which the person's keys come."""
        super().__init__()
        self._stage = stage
        self._terminal = terminal
        self._items: dict[int, Item] = {}
        self._marks: dict[int, str] = {}
        self._shown = 0
        self._over = False
        self.error: Exception | None = None
        self.picture = ""
        self.interrupted = False
        self._signals = ExitStack()

    def compose(self) -> ComposeResult:
        yield Static(id="title", markup=False)
        with Horizontal(id="panes"):
            yield OptionList(id="conversation", markup=False)
            with Vertical(id="message"):
                yield Static(id="about", markup=False)
                yield OptionList(id="fields", markup=False)
        yield RichLog(id="log", max_lines=MOST_LOG, wrap=True, markup=False, highlight=False)
        yield Input(id="command", placeholder="do=change field=flags value=1")
        yield Footer(compact=True, show_command_palette=False)

    def on_mount(self) -> None:
        """Start the conversation."""
        if threading.current_thread() is threading.main_thread():
            self._signals.enter_context(ended_by_signals(self._interrupt))
        self.query_one("#command").display = False
        self.query_one("#conversation").focus()
        self.query_one("#log").can_focus = False
        self.set_interval(_EVERY, self.take)
        self._converse()
        self._tell_title()

    def on_unmount(self) -> None:
        """The view has ended."""
        self._signals.close()

    def _interrupt(self) -> None:
        self.interrupted = True
        self.exit()

    @work
    async def _converse(self) -> None:
        try:
            await self._stage.run()
        except Exception as error:  # noqa: BLE001 (raised again when the view has ended)
            self.error = error
            self.exit()
        self._over = True
        self._tell_title()

    @property
    def over(self) -> bool:
        """Whether the conversation is over, and all of it is shown."""
        return self._over and not self._stage.happenings

    # What happens

    def take(self) -> None:
        """Show what has happened since the last time."""
        if self._terminal is not None and _is_gone(self._terminal):
            self._interrupt()
        if not self._is_whole:
            return
        happenings = self._stage.happenings
        for _ in range(min(len(happenings), _AT_ONCE)):
            self._happened(happenings.popleft())
        self._tell_title()

    @property
    def _is_whole(self) -> bool:
        """Whether all parts of the view exist. They go away when it ends, while things may still happen."""
        return len(self.query("#title, #conversation, #about, #fields, #log")) == 5

    def _tell_title(self) -> None:
        if not self._is_whole:
            return
        relay = self._stage.relay
        held = len(relay.held()) if relay is not None else 0
        parts = [self._stage.title]
        parts += ["over"] if self._over else []
        parts += ["holding"] if self._stage.holds else []
        parts += [f"{held} held back"] if held else []
        if relay is not None:
            left, right = relay.names
            self.query_one("#conversation").border_title = printable(f"{left} ──▶ {right}, {left} ◀── {right}")
        self.query_one("#title", Static).update(Text(printable("  ·  ".join(["otterproof proxy", *parts]))))

    def _happened(self, happening: Happening) -> None:
        item = happening.item
        if item is not None and happening.what in (What.SENT, What.MADE):
            self._add(item, happening.what)
        elif (
            item is not None
            and item.number in self._marks
            and (mark := marked_by(happening.what, self._marks[item.number]))
        ):
            self._items[item.number] = item if happening.what is What.CHANGED else self._items.get(item.number, item)
            self._mark(item.number, mark)
        if happening.what not in (What.SENT, What.PASSED):
            self.query_one("#log", RichLog).write(log_line(happening))

    def _add(self, item: Item, what: What) -> None:
        conversation = self.query_one("#conversation", OptionList)
        follows = conversation.highlighted is None or conversation.highlighted == conversation.option_count - 1
        self._items[item.number] = item
        self._marks[item.number] = "+" if what is What.MADE else " "
        conversation.add_option(Option(self._row(item), id=str(item.number)))
        while conversation.option_count > MOST_ROWS:
            oldest = conversation.get_option_at_index(0).id
            conversation.remove_option_at_index(0)
            self._items.pop(int(oldest or 0), None)
            self._marks.pop(int(oldest or 0), None)
        if follows:
            conversation.highlighted = conversation.option_count - 1

    def _mark(self, number: int, mark: str) -> None:
        if number in self._marks:
            self._marks[number] = mark
            row = self._row(self._items[number])
            self.query_one("#conversation", OptionList).replace_option_prompt(str(number), row)
            if number == self._shown:
                self._show(self._items[number])

    def _row(self, item: Item) -> Text:
        relay = self._stage.relay
        leftmost = relay is None or item.sender == relay.names[0]
        return row(item, self._marks[item.number], to_the_right=leftmost)

    # Selection

    def on_option_list_option_highlighted(self, event: OptionList.OptionHighlighted) -> None:
        """Dissect the selected message."""
        if event.option_list.id == "conversation" and event.option.id is not None:
            item = self._items.get(int(event.option.id))
            if item is not None:
                self._show(item)

    def _show(self, item: Item) -> None:
        self._shown = item.number
        relay = self._stage.relay
        others = [] if relay is None else [one for one in relay.remembered() if one.number > item.number]
        width = max(self.query_one("#fields").size.width - 2, 20)
        about, rows = field_rows(item, others, width, meanings=self.size.height >= _ROOMY)
        self.query_one("#about", Static).update(about)
        fields = self.query_one("#fields", OptionList)
        fields.clear_options()
        names: set[str] = set()
        for name, text in rows:
            fields.add_option(Option(text, id=name if name and name not in names else None))
            names.add(name)

    @property
    def chosen(self) -> Item | None:
        """The selected message."""
        return self._items.get(self._shown)

    def choose_telling(self) -> None:
        """Select an informative message: the last one that reveals MAC keys, else the last one."""
        telling = [one for one in self._items.values() if "reveals" in brief(one)] or list(self._items.values())
        if telling:
            conversation = self.query_one("#conversation", OptionList)
            conversation.highlighted = conversation.get_option_index(str(telling[-1].number))

    # User actions

    def _act(self, action: Action) -> None:
        if self.chosen is not None:
            self._stage.act(self.chosen.number, action)

    async def action_quit(self) -> None:
        """End the view."""
        self.picture = self.export_screenshot()
        await super().action_quit()

    def action_pass(self) -> None:
        """Pass on the selected message; if it has gone, the oldest one that is held back."""
        held = self._held()
        if held:
            numbers = [item.number for item in held]
            self._stage.act(self._shown if self._shown in numbers else numbers[0], PASS)

    def action_pass_all(self) -> None:
        """Pass on all messages that are held back."""
        for item in self._held():
            self._stage.act(item.number, PASS)

    def _held(self) -> list[Item]:
        return [] if self._stage.relay is None else self._stage.relay.held()

    def action_drop(self) -> None:
        """Drop it."""
        self._act(DROP)

    def action_duplicate(self) -> None:
        """Deliver it twice."""
        self._act(Action("duplicate", {}))

    def action_replay(self) -> None:
        """Deliver it, and the one before it again."""
        self._act(Action("replay", {}))

    def action_reflect(self) -> None:
        """Deliver it, and also return it to its sender."""
        self._act(Action("reflect", {}))

    def action_flip(self) -> None:
        """Invert a bit of the selected field, or of the most interesting one."""
        if self.chosen is None:
            return
        fields = self.query_one("#fields", OptionList)
        name = None if fields.highlighted is None else fields.get_option_at_index(fields.highlighted).id
        message: Message = self.chosen.message
        telling = (one for one in (name, *_TELLING) if one is not None and message.has(one))
        field = next(telling, None)
        self._act(Action("flip", {} if field is None else {"field": field}))

    def action_hold(self) -> None:
        """Turn holding back of all messages on or off."""
        if self._stage.rules is None:
            self.notify("the adversary controls all messages", severity="warning")
            return
        self._stage.hold(not self._stage.holds)
        self._tell_title()

    def action_turn(self) -> None:
        """Let the next user act."""
        if not self._stage.turn():
            self.notify("no user has a turn left", severity="warning")

    def action_other_pane(self) -> None:
        """Switch between the conversation and the fields."""
        fields = self.query_one("#fields", OptionList)
        if fields.has_focus:
            self.query_one("#conversation").focus()
        else:
            fields.focus()

    def action_command(self) -> None:
        """Open the command line for an action."""
        command = self.query_one("#command", Input)
        command.display = True
        command.focus()

    def action_leave_command(self) -> None:
        """Close the command line."""
        command = self.query_one("#command", Input)
        command.value, command.display = "", False
        self.query_one("#conversation").focus()

    def on_input_submitted(self, event: Input.Submitted) -> None:
        """Execute an action from the command line."""
        try:
            action = rule_from_words(event.value).action
        except CommandError as error:
            self.notify(printable(str(error)), severity="error", markup=False)
            return
        self.action_leave_command()
        self._act(action)


def _is_gone(terminal: int) -> bool:
    """Whether a terminal has been closed. A command started with nohup gets no signal then."""
    watched = select.poll()
    watched.register(terminal, 0)
    return bool(watched.poll(0))
