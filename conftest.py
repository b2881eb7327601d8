"""Settings shared by all tests: how many examples Hypothesis tries, and whether they are the same in each run.

Sybil turns the code blocks in README.md and docs/ into tests [tests/snippets.py].

The default profile `ci` tries the same bounded set of examples in every run on every machine, so that a failure is due
to the change at hand and not to luck. `nightly` looks for new failures: many more examples, different each time, with
failing ones kept in .hypothesis for the next run. Choose with HYPOTHESIS_PROFILE=nightly in the environment or with
`pytest --hypothesis-profile nightly`, which takes precedence. A test that needs a different number of examples
multiplies `settings().max_examples`, so that the profiles keep their meaning.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.errors import InvalidArgument
from sybil import Sybil
from sybil.integration.pytest import SybilItem

from otterproof.harness.runs.faults import memoize
from tests import snippets

_ROOT = Path(__file__).parent

# A source distribution has the project's folders only in the package; the tests look for them at the root.
for _folder in ("harness", "implementations", "scenarios", "vectors"):
    if not (_ROOT / _folder).exists():
        (_ROOT / _folder).symlink_to(Path("otterproof") / _folder)

# No deadlines: how long a modular exponentiation takes on a busy machine says nothing about the code.
# too_slow: generating keys and handshakes is inherently slow.
_COMMON = settings(deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])

settings.register_profile("ci", parent=_COMMON, derandomize=True, database=None, max_examples=50)
settings.register_profile("nightly", parent=_COMMON, max_examples=2000)

_chosen = os.environ.get("HYPOTHESIS_PROFILE", "ci")
try:
    settings.load_profile(_chosen)
except InvalidArgument:
    raise pytest.UsageError(f"HYPOTHESIS_PROFILE={_chosen}: no such profile; there are ci and nightly") from None

# A shell makes commands that it starts in the background ignore SIGINT, and their children inherit that. Tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_collect_file = Sybil(parsers=[snippets.parse], patterns=snippets.PATTERNS, teardown=snippets.clean_up).pytest()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark code blocks that start a process as slow."""
    for item in items:
        if isinstance(item, SybilItem) and item.example.parsed.language in ("console", "python"):
            item.add_marker(pytest.mark.slow)


@pytest.fixture
def powers_remembered() -> Iterator[None]:
    """No power is computed twice in the tests that use this, which makes tests of many engines faster."""
    with memoize.powers_remembered():
        yield


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--target",
        action="append",
        metavar="NAME",
        help="what the scenarios judge; may be repeated (default: independent and libotr)",
    )
    parser.addoption(
        "--known",
        type=Path,
        metavar="FILE",
        help="known deviations of the target (default: the file that is shipped for it)",
    )
