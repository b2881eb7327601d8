"""The arguments of `otterproof completion`."""

from __future__ import annotations

from otterproof.harness.ui.parser import Example, Parser

PURPOSE = (
    "Print a script that lets a shell complete commands, options, targets, faults and the ids of scenarios and checks. "
    "The script contains all names, so completion is fast; generate it again after an update."
)

#: The supported shells.
SHELLS = ("bash", "zsh", "fish")

EXAMPLES: tuple[Example, ...] = (
    (
        "otterproof completion bash > ~/.local/share/bash-completion/completions/otterproof",
        "bash, with the package bash-completion",
    ),
    ("otterproof completion zsh > ~/.zfunc/_otterproof", "zsh, with `fpath+=~/.zfunc` before compinit in ~/.zshrc"),
    ("otterproof completion fish > ~/.config/fish/completions/otterproof.fish", "fish"),
)


def add_arguments(parser: Parser) -> None:
    """The arguments of `completion`."""
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"one of {', '.join(SHELLS)}")
