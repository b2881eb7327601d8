"""`otterproof completion`: a script for a shell, with all names written into it.

Completing a word must not start Otterproof, which would take too long. Names that argparse does not know, such as
targets and the ids of scenarios, are written into the script as shell functions.
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Mapping, Sequence

import shtab

from otterproof.harness.runs.explain import all_ids
from otterproof.harness.support.exits import CONFORMS
from otterproof.harness.targets.driver import THIRD_PARTIES
from otterproof.harness.targets.engines import ENGINES
from otterproof.harness.targets.faults import faults
from otterproof.harness.testkit.scenario import load, scenarios
from otterproof.harness.ui import cli
from otterproof.harness.ui.messages import show_script
from otterproof.harness.ui.options import FAULT, ID, SCENARIO, TARGET

#: A function for each shell that completes from a list of words. For bash, a colon ends a word, so bash replaces only
#: what follows it; fish and zsh treat a colon as part of the word.
_FUNCTIONS = {
    "bash": """\
{name}() {{
  local words=({words}) before="" word
  if [[ "${{COMP_WORDS[COMP_CWORD]}}" == ":" || "${{COMP_WORDS[COMP_CWORD-1]}}" == ":" ]]; then
    before="${{COMP_LINE:0:COMP_POINT}}"
    before="${{before##*[[:space:]]}}"
    before="${{before%"${{before##*:}}"}}"
    word="${{1#:}}"
  else
    word="$1"
  fi
  local one
  while IFS= read -r one; do printf '%s\\n' "${{one#"$before"}}"; done < <(
    compgen -W "${{words[*]}}" -- "$before$word")
}}""",
    "zsh": """\
{name}() {{
  local words_of_otterproof=({words})
  compadd -a words_of_otterproof
}}""",
    "fish": """\
function {name}
  printf '%s\\n' {words}
end""",
}


def run(options: argparse.Namespace) -> int:
    """Print the script."""
    shell: str = options.shell
    load()
    names = {what: f"_otterproof_{what}" for what in words_of()}
    called = {what: f"({name})" if shell == "fish" else name for what, name in names.items()}
    preamble = "\n".join(
        _FUNCTIONS[shell].format(name=names[what], words=shlex.join(words)) for what, words in words_of().items()
    )
    program = cli.parser()
    script = shtab.complete(program, shell=shell, choice_functions=called, preamble=preamble)
    show_script(script)
    return CONFORMS


def words_of() -> Mapping[str, Sequence[str]]:
    """The completions that argparse does not know."""
    broken = sorted(faults())
    return {
        TARGET: [*ENGINES, *THIRD_PARTIES, *(f"fault:{name}" for name in broken)],
        SCENARIO: sorted({one.id.partition("[")[0] for one in scenarios()}),
        FAULT: broken,
        ID: sorted(all_ids()),
    }
