"""The property machines under pytest, with as many examples as the Hypothesis profile sets."""

from __future__ import annotations

import pytest
from hypothesis import settings

from otterproof.scenarios.properties.machines import Clients, Conversation

pytestmark = pytest.mark.slow

# One failure at a time: shrinking takes a while, and the first failure is the one to fix.
TestConversation = Conversation.TestCase
TestConversation.settings = settings(settings(), stateful_step_count=40, report_multiple_bugs=False)

TestClients = Clients.TestCase
TestClients.settings = settings(settings(), stateful_step_count=30, report_multiple_bugs=False)
