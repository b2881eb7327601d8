"""A D-H Commit in every authentication state. [Receiving a D-H Commit Message]

The scenarios do not inspect states: what the target does with the next message shows its state.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

from otterproof.harness import wire
from otterproof.harness.testkit.context import (
    PEER,
    TARGET,
    Context,
    Pair,
    TargetSession,
    check,
    check_equal,
    check_told,
    who_begins,
)
from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.scenario import scenario
from otterproof.harness.wire import DH_GENERATOR, Kind, Message
from otterproof.harness.wire.numbers import mpi, power
from otterproof.harness.wire.shown import shown
from otterproof.implementations.contract import SessionEstablished
from otterproof.scenarios.conformance.handshake_play import (
    commit_for_query,
    dh_key_for,
    refused,
    reveal_for,
    signature_of,
)


def _reveal(target: TargetSession, insider: Insider, dh_key: Message) -> None:
    """Demand that the insider's Reveal Signature completes the handshake, and that texts arrive."""
    target.receive(insider.reveal_signature(wire.build(dh_key))).one(SessionEstablished)
    target.assert_session_alive(insider)


def _with_hash(insider: Insider, wanted: Callable[[bytes], bool]) -> None:
    """Have the insider draw x again until the hash of its g^x is as wanted."""
    public = power(DH_GENERATOR, insider.x)
    while not wanted(hashlib.sha256(mpi(public)).digest()):
        insider.x += 1
        public = power(DH_GENERATOR, insider.x)


@scenario(requirements=("COMMIT-NONE-1", "COMMIT-NONE-2", "!COMMIT-NONE-2", "!AKE-OUTLINE-1"))
def commit_in_none(context: Context) -> None:
    """In NONE a D-H Commit, solicited or not, is answered with a D-H Key.

    The Reveal Signature that follows completes the handshake; without the commit it does not.
    """
    target = context.target_session()
    insider = target.insider()
    (dh_key,) = target.receive(insider.commit()).assert_sent("handshake.commit-not-answered", Kind.DH_KEY)
    reveal = insider.reveal_signature(wire.build(dh_key))
    other = context.target_session()
    other.user("start")
    refused(
        other.receive(reveal),
        "handshake.stray-reveal-signature-not-ignored",
        "a Reveal Signature Message without a commit",
    )
    target = context.target_session()
    insider = target.insider()
    (dh_key,) = target.receive(insider.commit()).assert_sent("handshake.commit-not-answered", Kind.DH_KEY)
    _reveal(target, insider, dh_key)
    (dh_key,) = target.receive(insider.commit()).assert_sent("handshake.commit-not-answered", Kind.DH_KEY)
    _reveal(target, insider, dh_key)


def _edges(hashed: bytes) -> dict[bytes, bool]:
    """Hashes close to one's own in one respect, and whether they are higher; a wrong comparison gets that wrong."""
    number = int.from_bytes(hashed)
    top = 1 << 255
    edges = {number - 1: False, number + 1: True, number ^ top: number < top, 0: False, (1 << 256) - 1: True}
    first, last = hashed[0], hashed[-1]
    if first > 0 and last < 255:
        edges[number - (1 << 248) + 1] = False  # lower, but higher as a little-endian number
    if first < 255 and last > 0:
        edges[number + (1 << 248) - 1] = True
    return {value.to_bytes(32): higher for value, higher in edges.items()}


@scenario(requirements=("COMMIT-DHKEY-1", "!COMMIT-DHKEY-1", "COMMIT-DHKEY-2", "COMMIT-DHKEY-5", "!COMMIT-DHKEY-5"))
def crossing_commits_are_compared(context: Context) -> None:
    """In AWAITING_DHKEY the target yields to a commit with a higher hash, and to no other.

    The hashes are compared as unsigned big-endian numbers of 32 bytes. Tested are hashes next to its own, at either end
    of the range, and ones that compare differently as signed or little-endian numbers.
    """
    for number in range(7):
        target = context.target_session()
        insider = target.insider()
        edges = list(_edges(commit_for_query(target).data("hashed_gx")).items())
        if number >= len(edges):
            break
        hashed, higher = edges[number]
        expected = Kind.DH_KEY if higher else Kind.DH_COMMIT
        case = f"a hash that is {'higher' if higher else 'lower'} than the target's own, {shown(hashed)}"
        reply = target.receive(insider.commit(hashed=hashed))
        reply.assert_sent("handshake.commit-hashes-misjudged", expected, case=case)


@scenario(requirements=("COMMIT-DHKEY-5", "!COMMIT-DHKEY-2", "!COMMIT-DHKEY-3"))
def commit_with_the_same_hash(context: Context) -> None:
    """The target's own commit, sent back to it, is answered with a D-H Key, since its hash is not lower."""
    target = context.target_session()
    insider = target.insider()
    own = commit_for_query(target)
    insider.r = bytes(16)
    commit = wire.parse(insider.commit())
    for name in ("encrypted_gx", "hashed_gx"):
        commit = commit.with_value(name, own.data(name))
    reply = target.receive(wire.build(commit))
    reply.assert_sent("handshake.commit-hashes-misjudged", Kind.DH_KEY, case="the target's own hash")


@scenario(
    requirements=(
        "COMMIT-DHKEY-2",
        "COMMIT-DHKEY-3",
        "COMMIT-DHKEY-4",
        "!COMMIT-DHKEY-4",
        "COMMIT-DHKEY-8",
        "!COMMIT-DHKEY-8",
        "!COMMIT-DHKEY-6",
        "INSTANCE-ZERO-1",
    )
)
def commit_with_a_lower_hash(context: Context) -> None:
    """A commit with a lower hash than the target's own is ignored each time it arrives.

    The target sends its own commit again, and the handshake that began with it still completes.
    """
    target = context.target_session()
    insider = target.insider()
    own = commit_for_query(target)
    _with_hash(insider, lambda hashed: hashed < own.data("hashed_gx"))
    for check_id in ("handshake.commit-hashes-misjudged", "handshake.won-collision-given-up"):
        reply = target.receive(insider.commit())
        (again,) = reply.assert_sent(check_id, Kind.DH_COMMIT, case="a lower hash")
        for name in ("encrypted_gx", "hashed_gx"):
            before, now = own.data(name), again.data(name)
            check_equal("handshake.resent-commit-changed", now, before, case=name)
        if context.version == 3:
            receiver = again.number("receiver_tag")
            check(
                "handshake.wrong-receiver-tag",
                receiver in (0, insider.tag),
                expected=f"0 or {insider.tag:#x}",
                got=f"{receiver:#x}",
                case="a D-H Commit Message that is sent again",
            )
    reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE, "handshake.won-collision-given-up")
    target.receive(signature_of(insider, own, reveal).raw).one(SessionEstablished)
    target.assert_session_alive(insider)


@scenario(requirements=("COMMIT-DHKEY-5", "!COMMIT-DHKEY-5", "COMMIT-DHKEY-6", "DHKEY-REVEALSIG-1"))
def commit_with_a_higher_hash(context: Context) -> None:
    """The target yields to a commit with a higher hash.

    It forgets its own g^x and ignores a D-H Key for it; the Reveal Signature completes the other side's handshake.
    """
    target = context.target_session()
    insider = target.insider()
    own = commit_for_query(target)
    _with_hash(insider, lambda hashed: hashed > own.data("hashed_gx"))
    reply = target.receive(insider.commit())
    (dh_key,) = reply.assert_sent("handshake.commit-hashes-misjudged", Kind.DH_KEY, case="a higher hash")
    target.receive(insider.dh_key()).assert_ignored(
        "handshake.stray-dh-key-not-ignored", "a D-H Key Message for a commit that was given up"
    )
    _reveal(target, insider, dh_key)


def _both_begin(pair: Pair) -> None:
    """Both users ask for a session, both queries arrive, and both sides send a commit."""
    for name in pair.names:
        pair.do(name, "start", {})
    for name in pair.names:
        pair.deliver_next(name)


def _one_session(pair: Pair) -> None:
    check_id = "handshake.crossing-commits-fail"
    sessions = [pair.one(0, name, SessionEstablished, check_id) for name in pair.names]
    check_told(check_id, sessions[0].ssid, sessions[1].ssid, case="the ssid of the target")
    pair.say(TARGET, b"from the target")
    pair.say(PEER, b"from the peer")


@scenario(requirements=("COMMIT-DHKEY-7",))
def simultaneous_commits(context: Context) -> None:
    """Two sides that commit at the same time end up in one session, whichever has the higher hash."""
    for number in range(3):
        with context.case(f"number {number}"):
            context.seed += b"%d" % number
            pair = context.pair()
            _both_begin(pair)
            pair.world.settle()
            _one_session(pair)


@scenario(requirements=("!COMMIT-DHKEY-7",))
def simultaneous_commits_with_late_messages(context: Context) -> None:
    """Two sides that commit at the same time end up in one session even if messages for one side are late."""
    for number in range(2):
        with context.case(f"number {number}"):
            for late in (TARGET, PEER):
                context.seed += b"%d" % number
                pair = context.pair()
                _both_begin(pair)
                other = pair.other(late)
                for _ in range(8):
                    pair.world.settle(to=(other,))
                    if pair.world.network.queues[late]:
                        pair.deliver_next(late)
                _one_session(pair)


@scenario(
    requirements=(
        "COMMIT-REVEALSIG-1",
        "!COMMIT-REVEALSIG-1",
        "COMMIT-REVEALSIG-2",
        "!COMMIT-REVEALSIG-2",
        "COMMIT-REVEALSIG-3",
        "!COMMIT-REVEALSIG-3",
    )
)
def commit_while_a_reveal_signature_is_awaited(context: Context) -> None:
    """In AWAITING_REVEALSIG another commit is answered with the same D-H Key and replaces the stored commit.

    The Reveal Signature for the new commit completes the handshake; the one for the old commit does not.
    """
    for which in ("old", "new"):
        with context.case(which):
            target = context.target_session()
            insider, other = target.insider(), target.insider(seed=b"another x")
            dh_key = dh_key_for(target, insider)
            for commit in (insider.commit(), other.commit(), other.commit()):
                (again,) = target.receive(commit).assert_sent("handshake.commit-not-answered", Kind.DH_KEY)
                check_equal("handshake.dh-key-not-repeated", again.body, dh_key.body)
            if which == "new":
                _reveal(target, other, dh_key)
            else:
                reveal = insider.reveal_signature(wire.build(dh_key))
                refused(
                    target.receive(reveal),
                    "handshake.replaced-commit-still-open",
                    "the Reveal Signature Message for a commit that was replaced",
                )


@scenario(requirements=("COMMIT-SIG-1", "!COMMIT-SIG-1", "COMMIT-SIG-2", "!COMMIT-SIG-2", "SIG-REVEALSIG-1"))
def commit_while_a_signature_is_awaited(context: Context) -> None:
    """In AWAITING_SIG a commit is answered with a D-H Key that is new each time.

    The Signature Message of the old handshake is then ignored, and the Reveal Signature completes the new one.
    """
    seen = set()
    for _ in range(2):
        with context.case():
            target = context.target_session()
            insider, other = target.insider(), target.insider(seed=b"another x")
            commit, reveal = reveal_for(target, insider)
            genuine = signature_of(insider, commit, reveal)
            (dh_key,) = target.receive(other.commit()).assert_sent("handshake.commit-not-answered", Kind.DH_KEY)
            gx, gy = genuine.theirs, dh_key.number("gy")
            check("handshake.dh-key-not-new", gy != gx, expected="a new g^y", got="the g^x of the handshake before")
            seen.add(gy)
            target.receive(genuine.raw).assert_ignored(
                "handshake.stray-signature-message-not-ignored", "a Signature Message for a handshake that was given up"
            )
            _reveal(target, other, dh_key)
            commit, reveal = reveal_for(target, insider)
            (dh_key,) = target.receive(other.commit()).assert_sent("handshake.commit-not-answered", Kind.DH_KEY)
            new = dh_key.number("gy") not in seen
            check("handshake.dh-key-not-new", new, expected="a new g^y", got="a g^y of an earlier handshake")
            _reveal(target, other, dh_key)
            context.seed += b"again"


@scenario(requirements=("COMMIT-LIVE-1", "!COMMIT-LIVE-1"))
def commit_in_a_session(context: Context) -> None:
    """In ENCRYPTED a commit from any sender is answered.

    The session stays usable until the new handshake completes; then the new session is used.
    """
    for target_begins in (False, True):
        with context.case(who_begins(target_begins)):
            target, insider = context.encrypted(target_begins=target_begins)
            other = target.insider(seed=b"another x")
            dh_key = dh_key_for(target, other)
            target.assert_session_alive(insider, "state.session-not-kept-during-handshake")
            target.receive(
                wire.build(wire.parse(other.reveal_signature(wire.build(dh_key))).with_value("mac", bytes(20)))
            )
            target.assert_session_alive(insider, "state.session-not-kept-after-failure")
            again = dh_key_for(target, other)
            _reveal(target, other, again)


def _malformed(insider: Insider) -> dict[str, bytes]:
    """Malformed commits that no revealed key can open."""
    commit = wire.parse(insider.commit())
    body, header = commit.body, len(commit.body) - len(commit.raw("encrypted_gx")) - 36
    return {
        "a D-H Commit Message that ends after its header": wire.armour(body[:header]),
        "a D-H Commit Message that ends in the encrypted g^x": wire.armour(body[: header + 100]),
        "a D-H Commit Message without a hash": wire.armour(body[:-36]),
        "a D-H Commit Message that ends in the hash": wire.armour(body[:-10]),
        "a D-H Commit Message whose hash is longer than the rest": wire.armour(
            body[:-36] + (4096).to_bytes(4) + body[-32:]
        ),
        "a D-H Commit Message whose g^x claims 4 GB": wire.armour(body[:header] + b"\xff" * 4 + body[header + 4 :]),
    }


@scenario(requirements=("COMMIT-BAD-1", "!COMMIT-BAD-1", "!COMMIT-NONE-1", "!COMMIT-FORM-6", "!COMMIT-SIG-1"))
def malformed_commit_in_each_state(context: Context) -> None:
    """A commit that is cut short or has wrong lengths is not answered and changes nothing, in any state.

    A handshake under way still completes.
    """
    target = context.target_session()
    insider, other = target.insider(), target.insider(seed=b"another x")
    lies = _malformed(other)
    for why, lie in lies.items():
        refused(target.receive(lie), "handshake.malformed-commit-accepted", f"{why} in NONE")
    dh_key = dh_key_for(target, insider)
    for why, lie in lies.items():
        refused(target.receive(lie), "handshake.malformed-commit-accepted", f"{why} in AWAITING_REVEALSIG")
    _reveal(target, insider, dh_key)

    target = context.target_session()
    insider = target.insider()
    commit = commit_for_query(target)
    for why, lie in lies.items():
        refused(target.receive(lie), "handshake.malformed-commit-accepted", f"{why} in AWAITING_DHKEY")
    reveal = target.receive(insider.dh_key()).message(Kind.REVEAL_SIGNATURE)
    for why, lie in lies.items():
        refused(target.receive(lie), "handshake.malformed-commit-accepted", f"{why} in AWAITING_SIG")
    target.receive(signature_of(insider, commit, reveal).raw).one(SessionEstablished)
    target.assert_session_alive(insider)


@scenario(requirements=("AKE-REFLECT-1", "!AKE-REFLECT-1"))
def reflected_own_messages(context: Context) -> None:
    """The target's own messages, sent back to it, make no session, whichever role it has.

    They come as they are or under another client's tag.
    """
    for under in (None, 0x2B2B):
        for asked in (True, False):
            target = context.target_session()
            insider = target.insider()
            waiting = [commit_for_query(target)] if asked else [dh_key_for(target, insider)]
            for _ in range(12):
                if not waiting:
                    break
                message = waiting.pop(0)
                if context.version == 3 and under is not None:
                    receiver = message.number("sender_tag")
                    message = message.with_value("sender_tag", under).with_value("receiver_tag", receiver)
                reply = target.receive(wire.build(message))
                reply.assert_rejected("handshake.own-message-accepted", f"the target's own message, {shown(message)}")
                waiting += [sent for sent in reply.sent if sent.kind in wire.ENCODED]
