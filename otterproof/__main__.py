"""`python -m otterproof`, and where the installed command begins."""

import sys

from otterproof.harness.ui.entry import main

if __name__ == "__main__":
    sys.exit(main())
