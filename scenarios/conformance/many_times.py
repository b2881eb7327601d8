"""What works once must work many times: key changes, handshakes, SMP runs, ends and clients, with texts in between.

The target's key ids, counters, announced keys and old MAC keys are checked throughout.
"""

from __future__ import annotations

from otterproof.harness.testkit.context import TARGET, Context, TargetSession, check
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.testkit.smp_session import ABORT, SmpSession
from otterproof.harness.testkit.unharmed import Unharmed
from otterproof.harness.wire import Kind, Message
from otterproof.harness.wire.layers import tlv
from otterproof.implementations.contract import PeerEndedSession, UserEndedSession
from otterproof.scenarios.conformance.handshake_play import LATER

#: How many repetitions: more than other scenarios have, and more than three bits can count.
MANY = 9

#: How many turns a conversation has; each changes both sides' keys.
TURNS = 24


def _data(target: TargetSession) -> list[Message]:
    """All Data Messages that the target has sent."""
    return [one for one in target.replies(0, TARGET).messages(Kind.DATA) if not one.problems]


def _nothing_twice(target: TargetSession) -> None:
    """Demand that across all sessions, no MAC key is revealed twice and no key is announced under two key ids."""
    keys = [key for message in _data(target) for key in message.revealed_mac_keys()]
    check("mac-reveal.revealed-twice", len({*keys}) == len(keys), got=[key for key in keys if keys.count(key) > 1][:2])
    announced = [message.number("next_dh") for message in _data(target)]
    runs = [key for number, key in enumerate(announced) if number == 0 or announced[number - 1] != key]
    check("keys.next-key-not-new", len({*runs}) == len(runs), got="a key that was announced in an earlier session")


@scenario(
    requirements=(
        "KEYMGMT-ROTATE-1",
        "KEYMGMT-ROTATE-3",
        "MACREVEAL-WHEN-1",
        "MACREVEAL-WHEN-3",
        "DATA-CTR-1",
        "DATA-CTR-3",
    )
)
def many_changes_of_keys(context: Context) -> None:
    """Over many turns of a conversation, keys change, counters rise, and each used MAC key is revealed once. Each turn
    has two texts each way, and some have one under the previous keys.
    """
    target, insider = context.encrypted(target_begins=context.version == 3)
    for turn in range(TURNS):
        mine, yours = insider.our_keyid - 1, insider.their_keyid
        for number in range(2):
            target.assert_receives_text(insider, b"turn %d, text %d" % (turn, number))
        for number in range(2):
            target.assert_sends_text(insider, b"turn %d, answer %d" % (turn, number))
        if turn % 3 == 0:
            late = insider.data(b"late", under=(mine, yours), ctr=100)
            target.receive(late).assert_shown("keys.live-key-not-accepted", b"late", case=f"turn {turn}")
    target.assert_in_order(insider)
    _nothing_twice(target)


@scenario(requirements=("STATE-ENCRYPTED-4", "QUERY-ANSWER-7", "AKE-FRESH-1", "KEYMGMT-START-1", "MACREVEAL-WHEN-5"))
def many_new_handshakes(context: Context) -> None:
    """A session is replaced many times by handshakes that either side begins. Each new session has its own ssid and
    keys and works as well as the first, including SMP.
    """
    target, insider = context.encrypted()
    ssids = [insider.ssid]
    for number in range(MANY):
        target.assert_session_alive(insider)
        target.tick(LATER)
        insider = target.insider(seed=b"session %d" % number)
        target.establish(insider, target_begins=number % 2 == 1)
        ssids.append(insider.ssid)
        if number % 3 == 0 and "smp" in context.target.capabilities:
            smp_session = SmpSession(target, insider)
            smp_session.asked(smp_session.liar()).tells(True, case=f"after handshake {number + 2}")
    Unharmed(target, insider, context.target.capabilities).check(f"{MANY + 1} handshakes")
    check("session.ssid-differs", len({*ssids}) == len(ssids), expected="a new ssid for each session", got=ssids)
    _nothing_twice(target)


@scenario(requirements=("MACREVEAL-END-1", "!MACREVEAL-END-1"))
def mac_keys_survive_many_new_handshakes(context: Context) -> None:
    """Each time a session is replaced, its used MAC keys are revealed in the first message of the next one."""
    target, insider = context.encrypted()
    for number in range(MANY):
        target.assert_receives_text(insider, b"under keys that verify this")
        owed = insider.keys(insider.our_keyid - 1, insider.their_keyid).sending_mac
        target.tick(LATER)
        insider = target.insider(seed=b"session %d" % number)
        target.establish(insider, target_begins=number % 2 == 1)
        found = target.assert_sends_text(insider, b"in the new session").revealed_mac_keys()
        case = f"handshake {number + 2} replaced the session"
        check("mac-reveal.lost-with-session", owed in found, expected=[owed], got=found, case=case)
    _nothing_twice(target)


@scenario(requirements=("USER-END-3", "STATE-ENDED-3", "USER-END-5", "STATE-FINISHED-3"))
def many_ends(context: Context) -> None:
    """Either side ends sessions many times: each new session works as well as the first."""
    target, insider = context.encrypted()
    for number in range(MANY):
        target.assert_session_alive(insider)
        if number % 3 == 0:
            target.user("end").one(UserEndedSession)
        else:
            target.receive(insider.data(tlvs=[tlv(1)])).one(PeerEndedSession)
        if number % 3 == 1:
            target.user("end")
        target.tick(LATER)
        insider = target.insider(seed=b"session %d" % number)
        target.establish(insider, target_begins=number % 2 == 1)
    Unharmed(target, insider, context.target.capabilities).check(f"{MANY} ends")
    _nothing_twice(target)


@scenario(needs=("smp",), requirements=("SMP-EXPECT-9", "!SMP-EXPECT-9", "SMP-RESULT-1", "SMP-STATE-3"))
def many_smp_runs(context: Context) -> None:
    """Many SMP runs in one session, begun by either side, all end correctly: some succeed, some fail, some are aborted,
    and texts pass in between.
    """
    target, insider = context.encrypted()
    smp_session = SmpSession(target, insider)
    for number in range(MANY):
        case = f"run {number + 1} of many"
        if number % 3 == 2:
            smp_session.expect2()
            smp_session.give(ABORT)
        right = number % 4 != 1
        secret = b"the otter swims" if right else b"the otter walks"
        if number % 3 == 1:
            smp_session.asks(smp_session.liar(secret, target_asks=True)).tells(right, case=case)
        else:
            smp_session.asked(smp_session.liar(secret)).tells(right, case=case)
        target.exchange_texts(insider)
    target.assert_session_alive(insider)


def _clients(target: TargetSession) -> list[Insider]:
    """Many clients of one account, each with a session with the target."""
    clients = []
    for number in range(MANY):
        client = target.insider(tag=0x2B2B + 0x1111111 * number, seed=b"client %d" % number)
        target.tick(LATER)
        target.establish(client)
        clients.append(client)
    return clients


@scenario(versions=(3,), requirements=("INSTANCE-MULTI-1", "!INSTANCE-MULTI-1"))
def many_clients_write(context: Context) -> None:
    """Many clients of one account each have a session at the same time, and all their texts are shown."""
    target = context.target_session()
    clients = _clients(target)
    for number in range(3):
        for client in clients:
            text = b"text %d of client %x" % (number, client.tag)
            target.assert_receives_text(client, text, check_id="instance.sessions-interfere", case=f"{client.tag:#x}")


@scenario(versions=(3,), needs=("instance_tags",), requirements=("INSTANCE-MULTI-1", "!INSTANCE-MULTI-1"))
def many_clients_each_have_a_session(context: Context) -> None:
    """Many clients of one account each have a session at the same time, with its own texts both ways, SMP and keys."""
    target = context.target_session()
    sessions = [Unharmed(target, client, context.target.capabilities, named=True) for client in _clients(target)]
    for _ in range(2):
        for session in sessions:
            session.exchange_texts(f"one of {MANY} clients")
    for session in (sessions[0], sessions[-1]):
        session.check(f"{MANY} clients have written in turn")
    for session in sessions:
        target.assert_in_order(session.insider)
    _nothing_twice(target)


@scenario(requirements=("STATE-ENCRYPTED-4", "QUERY-FLOOD-2", "COMMIT-LIVE-1"))
def many_handshakes_that_stop_halfway(context: Context) -> None:
    """Many handshakes that are begun within a session and never completed do not affect it."""
    target, insider = context.encrypted()
    session = Unharmed(target, insider, context.target.capabilities)
    for number in range(MANY):
        target.tick(LATER)
        stranger = target.insider(seed=b"stranger %d" % number)
        target.receive(stranger.commit())
        target.query()
        session.exchange_texts(f"{2 * number + 2} handshakes that stopped halfway")
    session.check(f"{2 * MANY} handshakes that stopped halfway")
