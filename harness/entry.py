"""Where the program begins: `otterproof` is `main` here.

The commands take a second or more to import. Ctrl-C counts from the first moment on, so they are imported within reach
of its handler; and processes that judge, which import the main module again, need not import them at all.
"""

from __future__ import annotations

import sys

from harness.signals import end_by_interrupt

#: The exit code of a run that was interrupted, with Ctrl-C or by another signal that asks it to end.
INTERRUPTED = 130


def main() -> int:
    """Run the command that the program's arguments name; its exit code."""
    try:
        end_by_interrupt()
        from harness import cli  # see above

        return cli.main()
    except KeyboardInterrupt:
        print("otterproof: interrupted", file=sys.stderr)
        return INTERRUPTED


if __name__ == "__main__":
    sys.exit(main())
