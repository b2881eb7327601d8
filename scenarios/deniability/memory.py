"""What a target still has in memory after keys have changed: it must hold no secret that it should have forgotten.

The target shows what it holds (`dump`). The insider is the other side and knows all shared secrets. The target's
exponents are recognised by their public keys.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from otterproof.harness import wire
from otterproof.harness.targets.driver.party import DriverParty
from otterproof.harness.testkit.context import ALLOW, Context, TargetSession, check, check_equal, who_begins
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.keys import published_key
from otterproof.harness.testkit.reply import TARGET
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_peer import SmpPeer, secret_number
from otterproof.harness.wire import DH_GENERATOR, Kind, crypto
from otterproof.harness.wire.layers import Tlv, build_smp, tlv
from otterproof.harness.wire.numbers import fingerprint, power
from otterproof.implementations.contract import Engine, Policy, SmpFinished


def held(target: TargetSession) -> Mapping[str, bytes]:
    """Every secret in the target's memory, by a name that says where it is."""
    party = target.world.parties[TARGET]
    return party.dump().secrets if isinstance(party, DriverParty) else cast(Engine, party).secrets()


def absent(target: TargetSession, check_id: str, secret: bytes, what: str) -> None:
    """Demand that a secret is nowhere in the target's memory."""
    places = [name for name, value in held(target).items() if secret.lstrip(b"\0") in value]
    check(check_id, not places, expected="not in memory", got=places, case=what)


def no_exponent_of(target: TargetSession, check_id: str, public: int, what: str) -> None:
    """Demand that the exponent of a public key, or of an element made for SMP, is nowhere in the target's memory."""
    places = [name for name, value in held(target).items() if power(DH_GENERATOR, int.from_bytes(value)) == public]
    check(check_id, not places, expected="not in memory", got=places, case=f"the exponent of {what}")


def ssids(target: TargetSession) -> list[bytes]:
    """The session ids that the target shows."""
    party = target.world.parties[TARGET]
    if isinstance(party, DriverParty):
        return [bytes.fromhex(session.get("ssid") or "") for session in party.dump().shown.get("sessions") or ()]
    return [session.ssid for session in cast(Engine, party).inspect().sessions]


def nothing_of_pair(target: TargetSession, check_id: str, insider: Insider, ours: int, theirs: int) -> None:
    """Demand that memory holds nothing with which a message under a pair of keys can be read.

    ours, theirs: key ids from the insider's side. The target's receiving MAC key may still wait to be revealed.
    """
    keys = insider.keys(ours, theirs)
    secret = power(insider.theirs[theirs], insider.exponents[ours])
    pair = f"of the insider's key {ours} and the target's key {theirs}"
    absent(target, check_id, secret.to_bytes((secret.bit_length() + 7) // 8), f"the shared secret {pair}")
    absent(target, check_id, keys.sending_aes, f"the AES key {pair}")
    absent(target, check_id, keys.receiving_aes, f"the AES key {pair}")
    absent(target, check_id, keys.receiving_mac, f"the target's sending MAC key {pair}")


@scenario(needs=("dump",), requirements=("KEYMGMT-ROTATE-2", "KEYMGMT-ROTATE-8", "KEYMGMT-KEEP-1", "!KEYMGMT-ROTATE-8"))
def rotated_keys_are_forgotten(context: Context) -> None:
    """After keys have changed, memory holds neither the exponents of old keys nor secrets derived from them.

    So an attacker who takes over the machine can't read messages recorded earlier.
    """
    for target_begins in (False, True):
        with context.case(who_begins(target_begins)):
            target, insider = context.encrypted(target_begins=target_begins)
            for number in range(4):
                target.assert_sends_text(insider, b"from the target %d" % number)
                target.assert_receives_text(insider, b"from the insider %d" % number)
            acknowledged = insider.their_keyid  # the target holds this one and the next, which it has not announced yet
            for old in range(1, acknowledged):
                no_exponent_of(target, "deniability.old-exponent-kept", insider.theirs[old], f"the target's key {old}")
                nothing_of_pair(target, "deniability.old-session-key-kept", insider, old, old)
            live = [power(DH_GENERATOR, int.from_bytes(value)) for value in held(target).values()]
            complete = insider.theirs[acknowledged] in live
            case = f"the exponent of the target's key {acknowledged}, which it still needs"
            check("driver.memory-not-shown", complete, expected="in memory", got="not shown", case=case)


@scenario(needs=("dump",), requirements=("USER-END-5", "STATE-ENDED-1", "!USER-END-5", "!STATE-ENDED-1"))
def keys_are_forgotten_at_the_end(context: Context) -> None:
    """When either side ends the session, nothing with which its messages could be read is left in memory."""
    for target_begins in (False, True):
        with context.case(who_begins(target_begins)):
            for own_end in (True, False):
                target, insider = context.encrypted(target_begins=target_begins)
                target.assert_receives_text(insider, b"hello")
                target.assert_sends_text(insider, b"hello to you")
                target.assert_receives_text(insider, b"bye")
                if own_end:
                    target.user("end")
                else:
                    target.receive(insider.data(tlvs=[tlv(1)]))
                for keyid, public in insider.theirs.items():
                    no_exponent_of(target, "deniability.key-kept-after-end", public, f"the target's key {keyid}")
                for ours, theirs in ((1, 1), (1, 2), (2, 2)):
                    nothing_of_pair(target, "deniability.key-kept-after-end", insider, ours, theirs)
                kept = ssids(target)
                check("deniability.ssid-kept-after-end", insider.ssid not in kept, expected="no such session", got=kept)


@scenario(needs=("dump", "lockstep"), requirements=("KEYMGMT-ROTATE-8",))
def key_of_a_commit_is_forgotten(context: Context) -> None:
    """The key that opens a D-H Commit is no longer in memory when its session has moved on to other keys.

    The Reveal Signature has shown it to everyone by then, so this is demanded of this project's engines only.
    """
    target = context.target_session()
    insider = target.insider()
    target.establish(insider, target_begins=True)
    (reveal,) = target.replies(0, TARGET).messages(Kind.REVEAL_SIGNATURE)
    key = reveal.data("revealed_key")
    for number in range(3):
        target.assert_sends_text(insider, b"from the target %d" % number)
        target.assert_receives_text(insider, b"from the insider %d" % number)
    absent(target, "deniability.opened-commit-key-kept", key, "the key that the Reveal Signature shows")


@scenario(
    needs=("dump", "instance_tags"), versions=(3,), requirements=("KEYMGMT-ROTATE-2", "!KEYMGMT-ROTATE-2", "USER-END-5")
)
def shared_commit_key_is_forgotten(context: Context) -> None:
    """The D-H key of a commit, which all clients of the correspondent got, is forgotten when it is no longer in use.

    That is when its session has moved on, has ended, or has been replaced.
    """

    def moved_on(target: TargetSession, insider: Insider) -> None:
        for number in range(3):
            target.assert_sends_text(insider, b"from the target %d" % number)
            target.assert_receives_text(insider, b"from the insider %d" % number)

    def ended(target: TargetSession, insider: Insider) -> None:
        target.user("end", instance=insider.tag)

    def replaced(target: TargetSession, insider: Insider) -> None:
        again = target.insider("mallory", seed=b"again")
        target.establish(again)

    for leave, what in ((moved_on, "moved on"), (ended, "ended"), (replaced, "been replaced")):
        with context.case(what):
            target = context.target_session()
            other = target.insider("carol", tag=0x3C3C, seed=b"other")
            target.receive(other.commit())  # a second client, with a handshake under way
            insider = target.insider()
            target.establish(insider, target_begins=True)
            gx = insider.theirs[1]
            leave(target, insider)
            case = f"the key of the commit, when its session has {what}"
            no_exponent_of(target, "deniability.commit-key-kept", gx, case)


@scenario(needs=("dump", "smp", "smp_abort", "lockstep"), requirements=("SMP-MSG4-3",))
def smp_secrets_are_forgotten(context: Context) -> None:
    """When an SMP run has ended, the target holds neither its exponents nor the number made from the secret.

    The specification only demands the state EXPECT1, so this is demanded of this project's engines only.
    """
    target, insider = context.encrypted()
    mine, theirs = (fingerprint(published_key(name).public) for name in ("mallory", "alice"))
    target.user("smp_start", secret=b"a secret")
    number = secret_number(theirs, mine, insider.ssid, b"a secret")
    absent_later = number.to_bytes((number.bit_length() + 7) // 8)
    smp_peer = SmpPeer(number)
    target.user("smp_abort")
    request = target.user("smp_start", secret=b"a secret").messages(Kind.DATA)[-1]
    first = insider.smp_numbers(wire.build(request), 2)
    second = target.receive(insider.data(tlvs=[_smp(3, smp_peer.message_2(first))])).message(Kind.DATA)
    third = insider.smp_numbers(wire.build(second), 4)
    done = target.receive(insider.data(tlvs=[_smp(5, smp_peer.message_4(third))]))
    equal = done.one(SmpFinished).equal
    check("smp.wrong-result", equal, expected=True, got=equal)
    absent(target, "deniability.smp-secret-kept", absent_later, "the number made from the secret")
    for name in ("g2a", "g3a"):
        no_exponent_of(target, "deniability.smp-secret-kept", first[name], name)


def _smp(kind: int, numbers: Mapping[str, int]) -> Tlv:
    return tlv(kind, build_smp(kind, [numbers[name] for name in wire.SMP_NUMBERS[kind]]))


@scenario(needs=("dump", "smp"), requirements=("SMP-STATE-2",))
def an_smp_run_ends_with_its_session(context: Context) -> None:
    """An SMP run under way when the session ends is dropped together with its exponents."""
    target, insider = context.encrypted()
    request = target.user("smp_start", secret=b"a secret").message(Kind.DATA)
    first = insider.smp_numbers(wire.build(request), 2)
    target.user("end")
    for name in ("g2a", "g3a"):
        no_exponent_of(target, "deniability.smp-run-kept-after-end", first[name], name)


@scenario(
    needs=("dump", "policy", "stored_messages"), requirements=("USER-STORED-1", "!USER-STORED-1", "!USER-STORED-2")
)
def a_stored_text_is_forgotten_once_it_is_sent(context: Context) -> None:
    """A text that waited for a session is sent in it, and is no longer in memory once another text was sent.

    Until then it may be kept, so that it can be sent again if it did not arrive.
    """
    target = context.target_session(policy=ALLOW[context.version] | Policy.REQUIRE_ENCRYPTION)
    target.user("send", text=b"it waits for a session")
    insider = target.insider()
    reply = target.handshake_by_insider(insider)
    text = target.read(insider, reply.message(Kind.DATA)).text
    check_equal("user.stored-text-not-sent", text, b"it waits for a session")
    target.assert_receives_text(insider, b"noted")
    target.assert_sends_text(insider, b"another one")
    absent(target, "deniability.sent-text-kept", b"it waits for a session", "the text")


@scenario(needs=("dump",), requirements=("!KEYMGMT-KEEP-1",))
def recorded_messages_cannot_be_read_later(context: Context) -> None:
    """With all that is in memory after keys have changed, no earlier message can be decrypted.

    Every value in memory is tried as the key of every message.
    """
    target, insider = context.encrypted()
    recorded: list[tuple[bytes, bytes]] = []
    for number in range(4):
        text = b"a text that nobody will read again, %d" % number
        recorded.append((text, wire.build(target.assert_sends_text(insider, text))))
        target.assert_receives_text(insider, b"noted %d" % number)
    for text, raw in recorded[:-1]:
        message = wire.parse(raw)
        for name, value in held(target).items():
            for key in {value[:16], value[-16:]} if len(value) >= 16 else ():
                opened = crypto.decrypt_data(message, key)
                got = f"{name} opens it"
                check(
                    "deniability.recorded-message-readable",
                    text not in opened,
                    expected="unreadable",
                    got=got,
                    case=text,
                )
