"""Logs: no secret may be found in what a program writes besides its key stores."""

from __future__ import annotations

from collections.abc import Iterator

from otterproof.harness.testkit.context import Context, TargetSession, check
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.program import keep_log, logs
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_session import SECRET, SmpSession

SENT, RECEIVED = b"The holt has two doors.", b"The river is frozen."


def _forms(secret: bytes) -> Iterator[bytes]:
    """A secret as it may have been written: as it is, and in hexadecimal digits of either case."""
    yield secret
    yield secret.hex().encode()
    yield secret.hex().upper().encode()


def _absent(target: TargetSession, check_id: str, what: str, secret: bytes, *more: bytes) -> None:
    """Demand that no log contains a secret in any form. more: further forms of it."""
    found = [name for name, log in logs(target).items() if any(form in log for form in (*_forms(secret), *more))]
    check(check_id, not found, expected="in no log", got=", ".join(found), case=what)


@scenario(requirements=("ROBUST-LOG-2", "!ROBUST-LOG-2"), needs=("logs",))
def texts_are_not_in_logs(context: Context) -> None:
    """Unless its user asked for it, a program writes no text of an encrypted session to its logs."""
    keep_log()
    target, insider = context.encrypted()
    target.assert_receives_text(insider, RECEIVED)
    target.assert_sends_text(insider, SENT)
    for what, text in (("a text that came", RECEIVED), ("a text that was sent", SENT)):
        _absent(target, "logs.text-written", what, text)


@scenario(requirements=("ROBUST-LOG-1", "!ROBUST-LOG-1"), needs=("logs", "smp"))
def smp_secrets_are_not_in_logs(context: Context) -> None:
    """A secret that the user types for SMP, to begin or to answer, is in no log."""
    for state, what in ((2, "to begin a run"), (3, "to answer")):
        keep_log()
        target, insider = context.encrypted()
        SmpSession(target, insider).bring(state)
        _absent(target, "logs.smp-secret-written", what, SECRET)


@scenario(requirements=("ROBUST-LOG-1", "!ROBUST-LOG-1"), needs=("logs",))
def the_key_is_not_in_logs(context: Context) -> None:
    """The private half of the long-term key is in no log after a handshake."""
    keep_log()
    target, insider = context.encrypted()
    target.assert_receives_text(insider, RECEIVED)
    x = published_key("alice").x
    _absent(target, "logs.key-written", "the number x of the key", x.to_bytes(20), b"%d" % x)
