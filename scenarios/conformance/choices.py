"""What this project's engines do where the specification leaves a choice.

docs/reference/choices.md lists the choices. Other targets are not judged by them: the specification permits other
readings, and the other modules accept those.
"""

from __future__ import annotations

import random

from otterproof.harness.testkit.context import Context, check, check_equal
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import DH_PRIME, Kind
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import ActionRefused, ExtraKeyDerived, OutgoingMessage, UserEndedSession
from otterproof.scenarios.conformance.mac_keys import Ledger


@scenario(needs=("lockstep",), requirements=("DATA-CTR-2", "!DATA-CTR-2", "!KEYMGMT-RECV-6"))
def counter_0_is_refused(context: Context) -> None:
    """A first message with counter 0 is not shown; the session goes on with a counter above 0."""
    target, insider = context.encrypted()
    target.receive(insider.data(b"counter 0", ctr=0)).assert_rejected(
        "data.counter-0-accepted", "a message with counter 0"
    )
    target.assert_session_alive(insider)


@scenario(needs=("lockstep",), requirements=("DATA-FLAGS-6", "!DATA-FLAGS-6"))
def undefined_flags_are_ignored(context: Context) -> None:
    """A message is read regardless of any undefined flags in it."""
    target, insider = context.encrypted()
    for flags in (0x02, 0x40, 0x80, 0xFE):
        target.assert_receives_text(insider, b"with flags", check_id="data.undefined-flags-refused", flags=flags)


@scenario(needs=("lockstep",), requirements=("DATA-FLAGS-4", "USER-END-2"))
def simultaneous_ends_raise_no_error(context: Context) -> None:
    """When both users end the session at once, neither client answers the other's last message with an error."""
    pair = context.pair()
    pair.establish("target")
    for name in pair.names:
        pair.do(name, "end", {}).one(UserEndedSession)
    for name in pair.names:
        reply = pair.deliver_next(name)
        check("data.crossing-end-answered", not reply.of(OutgoingMessage), expected="no answer", got=reply, case=name)


@scenario(needs=("lockstep",), requirements=("DATA-OLDMACS-1", "!DATA-OLDMACS-1"))
def partial_old_mac_key_is_refused(context: Context) -> None:
    """A message is refused if its old MAC keys are not a whole number of keys."""
    target, insider = context.encrypted()
    for size in (1, 19, 21, 39):
        lie = insider.data(b"not whole", old_mac_keys=bytes(size))
        target.receive(lie).assert_rejected("data.partial-old-key-accepted", f"{size} bytes of old MAC keys")
    for size in (0, 20, 40):
        target.assert_receives_text(insider, b"whole", old_mac_keys=bytes(size))


@scenario(needs=("lockstep",), requirements=("KEYMGMT-NEXT-1", "!KEYMGMT-NEXT-1", "!KEYMGMT-ROTATE-3"))
def next_keys_out_of_range_are_refused(context: Context) -> None:
    """A message whose next D-H key is outside 2 to p - 2 is refused and changes nothing."""
    target, insider = context.encrypted()
    for value in (0, 1, DH_PRIME - 1, DH_PRIME, DH_PRIME + 1, (1 << 1544) - 1):
        lie = insider.data(b"an odd key", next_dh=value)
        target.receive(lie).assert_rejected("keys.next-key-out-of-range", f"a next key of {shown(value)}")
    found = target.assert_sends_text(insider, b"as before").number("recipient_keyid")
    check_equal("keys.changed-by-forgery", found, 1, case="recipient key id")
    target.assert_session_alive(insider)


@scenario(
    needs=("lockstep",),
    requirements=("MACREVEAL-WHAT-2", "MACREVEAL-WHAT-3", "!MACREVEAL-WHAT-3", "MACREVEAL-WHAT-4", "MACREVEAL-WHEN-1"),
)
def used_mac_keys_are_revealed_in_order(context: Context) -> None:
    """Only MAC keys that verified a message are revealed, in the order in which they were dropped.

    A forgery does not count as use of a key; a refused message whose MAC is right does.
    """
    choose = random.Random(context.seed)
    for _ in range(8):
        with context.case():
            ledger = Ledger(*context.encrypted(), exact=True)
            for _ in range(40):
                pair, ctr = choose.choice(ledger.live()), 1000 + len(ledger.target.log)
                match choose.randrange(6):
                    case 0 | 1:
                        ledger.send()
                    case 2:
                        ledger.receive(pair, ctr=ctr, mac=bytes(range(20)))
                    case 3 | 4:
                        ledger.receive(pair, ctr=ctr, next_dh=1)
                    case _:
                        ledger.receive(pair, ctr=ctr)
            ledger.send()


@scenario(needs=("lockstep",), requirements=("MACREVEAL-WHEN-6", "MACREVEAL-WHEN-3"))
def last_message_reveals_all_used_keys(context: Context) -> None:
    """The message that ends a session also reveals the used MAC keys of D-H keys that are still live."""
    ledger = Ledger(*context.encrypted(), exact=True)
    for _ in range(2):
        ledger.receive()
        ledger.send()
    ledger.receive()
    ledger.end()
    found = ledger.target.user("end").message(Kind.DATA).revealed_mac_keys()
    wanted = [ledger.key(pair) for pair in ledger.due]
    check_equal("mac-reveal.not-all-at-end", found, wanted)


@scenario(versions=(2,), needs=("lockstep",), requirements=("EXTRA-KEY-5", "!EXTRA-KEY-5"))
def extra_key_is_refused_in_version_2(context: Context) -> None:
    """In version 2 the user's request for the extra symmetric key is refused, and nothing is sent."""
    target, insider = context.encrypted()
    reply = target.user("extra_key", use=1, data=b"a file")
    reply.one(ActionRefused, "extra-key.granted-where-undefined")
    refused = not reply.of(ExtraKeyDerived) and not reply.sent
    check("extra-key.granted-where-undefined", refused, expected="a refusal alone", got=reply)
    target.assert_session_alive(insider)
