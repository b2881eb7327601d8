"""The program's entry point: `otterproof` is `main` here. Whatever happens, its exit code means what the README says.

The commands take a second or more to import. Ctrl-C must work from the first moment on, so they are imported inside the
reach of its handler; worker processes, which import the main module again, need not import the commands at all.
"""

from __future__ import annotations

import sys
import traceback

from otterproof.harness.support.collector import collect_rarely
from otterproof.harness.support.exits import INTERRUPTED, NOT_RUN
from otterproof.harness.support.outputs import OutputError
from otterproof.harness.support.printable import printable
from otterproof.harness.support.signals import interruptible
from otterproof.harness.ui.streams import ReaderGone, guarded


def main() -> int:
    """Run the command that the program's arguments name; return its exit code."""
    collect_rarely()
    try:
        with guarded():
            return _run()
    except ReaderGone:
        return NOT_RUN
    except OutputError as error:
        print(f"otterproof: {error}", file=sys.stderr or None)
        return NOT_RUN


def _run() -> int:
    """Run the command and handle everything that can end it, except standard output. Python would exit with 1."""
    try:
        with interruptible():
            from otterproof.harness.ui import cli  # see above

            collect_rarely()  # and leave alone what has just been imported
            return cli.main()
    except KeyboardInterrupt:
        print("otterproof: interrupted", file=sys.stderr)
        return INTERRUPTED
    except SystemExit as ended:  # argparse
        return ended.code if isinstance(ended.code, int) else 0
    except (ReaderGone, OutputError):
        raise
    except Exception:  # noqa: BLE001 (any error here says nothing about the target)
        print(printable(traceback.format_exc(), lines=True), file=sys.stderr)
        print("otterproof: this is a defect of Otterproof, not of the target; please report the above", file=sys.stderr)
        return NOT_RUN


if __name__ == "__main__":
    sys.exit(main())
