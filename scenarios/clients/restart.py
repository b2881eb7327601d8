"""Restarts: what a program must still have when its user closes it and starts it again."""

from __future__ import annotations

from otterproof.harness.testkit.context import TARGET, Context, check_equal
from otterproof.harness.testkit.program import restarted
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import Kind


@scenario(requirements=("KEYS-PUBKEY-1",), needs=("restart",))
def the_key_survives(context: Context) -> None:
    """After a restart the user has the same long-term key, and can begin a session with the same correspondent."""
    target, insider = context.encrypted()
    before = target.world.parties[TARGET].fingerprint
    target.assert_receives_text(insider, b"before")
    target = restarted(context, target)
    check_equal("restart.key-lost", target.world.parties[TARGET].fingerprint, before)
    insider = target.insider(seed=b"insider, later")
    target.establish(insider)
    target.assert_receives_text(insider, b"after")
    target.assert_sends_text(insider, b"after")


@scenario(versions=(3,), requirements=("INSTANCE-OWN-3",), needs=("restart",))
def the_instance_tag_survives(context: Context) -> None:
    """After a restart the client has the same instance tag as before."""
    target = context.target_session()
    before = target.query().message(Kind.DH_COMMIT).number("sender_tag")
    target = restarted(context, target)
    after = target.query().message(Kind.DH_COMMIT).number("sender_tag")
    check_equal("restart.instance-tag-lost", after, before)
