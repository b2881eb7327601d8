"""Words of a command line that name a target by mistake, where something else was expected."""

from __future__ import annotations

import argparse
import shlex

from otterproof.harness.support.errors import UsageError
from otterproof.harness.targets.driver import THIRD_PARTIES
from otterproof.harness.targets.engines import ENGINES
from otterproof.harness.targets.faults.target import PREFIX
from otterproof.harness.targets.registry import EXEC
from otterproof.harness.ui.options import STDOUT


def refuse_target(options: argparse.Namespace) -> None:
    """Raise UsageError for `check --json libotr`, which would judge another target and write to a file of that name."""
    if options.json is None or options.json == STDOUT:
        return
    name = str(options.json)
    if name in (*ENGINES, *THIRD_PARTIES) or name.startswith((EXEC, PREFIX)):
        words = shlex.join(["otterproof", options.otterproof_command, name, "--json"])
        raise UsageError(f"--json takes {name} for its FILE; write {words}")
