"""Fixtures for a user's own tests: the judged target, alone, with an honest peer, and with an insider.

The target comes from --otterproof-target or the project's settings. The parties are forgotten after each test.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from otterproof.harness.targets.engines import Target
    from otterproof.harness.testkit.context import Context
    from otterproof.harness.testkit.insider import Insider
    from otterproof.harness.testkit.pair import Pair
    from otterproof.harness.testkit.target_session import TargetSession


@pytest.fixture(scope="session")
def otr_target(pytestconfig: pytest.Config) -> Target:
    """The target: a `Target`."""
    from otterproof.harness.ui.pytest_plugin.suite import suite_for_fixtures

    return suite_for_fixtures(pytestconfig).target


@pytest.fixture
def otr_version(otr_target: Target) -> int:
    """The protocol version of the other fixtures: the target's highest. Override it to use another version."""
    return 3 if "v3" in otr_target.capabilities else 2


@pytest.fixture
def otr_context(otr_target: Target, otr_version: int, request: pytest.FixtureRequest) -> Iterator[Context]:
    """The `Context` that a scenario gets; its seed follows from the id of the test."""
    from otterproof.harness.testkit.context import Context

    context = Context(otr_target, otr_version, request.node.nodeid.encode())
    yield context
    context.finish()


@pytest.fixture
def otr_session(otr_context: Context) -> TargetSession:
    """The target alone, before a handshake: a `TargetSession`. It receives only what the test gives it."""
    return otr_context.target_session()


@pytest.fixture
def otr_insider(otr_session: TargetSession) -> Insider:
    """An `Insider` that is in an encrypted session with `otr_session`."""
    insider = otr_session.insider()
    otr_session.establish(insider)
    return insider


@pytest.fixture
def otr_peer(otr_context: Context) -> Pair:
    """The target and an honest peer, the reference engine, before a handshake: a `Pair`."""
    return otr_context.pair()
