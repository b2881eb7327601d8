"""The machines of properties.py under pytest, with as many examples as the Hypothesis profile asks for."""

from __future__ import annotations

from hypothesis import settings

from scenarios.properties import Clients, Conversation

TestConversation = Conversation.TestCase
TestConversation.settings = settings(settings(), stateful_step_count=40)

TestClients = Clients.TestCase
TestClients.settings = settings(settings(), stateful_step_count=30)
