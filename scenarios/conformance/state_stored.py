"""Stored texts that are not sent any more. [User types a message to be sent]"""

from __future__ import annotations

from otterproof.harness.testkit.context import Context, check
from otterproof.harness.testkit.scenario import scenario
from otterproof.implementations.contract import StoredTextDropped
from otterproof.scenarios.conformance.state_user import arrived, required


@scenario(
    needs=("time", "policy", "stored_messages"), requirements=("USER-STORED-6", "!USER-STORED-6", "USER-STORED-3")
)
def old_stored_texts_are_not_lost_in_silence(context: Context) -> None:
    """A stored text that is too old to be sent when a session begins is reported to the user."""
    target = context.target_session(policy=required(context))
    insider = target.insider()
    target.user("send", text=b"stored text")
    target.tick(86_400)
    reply = target.handshake_by_insider(insider)
    came, dropped = arrived(target, insider, reply), [event.text for event in reply.of(StoredTextDropped)]
    known = b"stored text" in (*came, *dropped)
    check("user.stored-text-lost", known, expected="a report that it is not sent", got=reply, case="after a day")
