"""Whether a session is unharmed by something that must not disturb it.

It is not enough that a text gets through afterwards. An SMP run that was under way continues, and either side can begin
new ones, which shows that the session still has its ssid and its fingerprints. The extra symmetric key is that of the
keys in use. In every Data Message of the target since the beginning of the session, the version, key ids, counter, next
key and old MAC keys follow from the messages before it. [harness/testkit/session_account.py]
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from enum import StrEnum

from otterproof.harness.testkit.insider import Insider
from otterproof.harness.testkit.reply import CheckFailed, Unsupported, check, check_equal, fail
from otterproof.harness.testkit.smp_peer import SmpPeer
from otterproof.harness.testkit.smp_session import MESSAGE_2, MESSAGE_3, MESSAGE_4, SECRET, SmpReply, SmpSession
from otterproof.harness.testkit.target_session import TargetSession
from otterproof.harness.wire.layers import tlv
from otterproof.implementations.contract import ExtraKeyDerived


class SmpMoment(StrEnum):
    """The stage of SMP, as the target sees it. ASKED: a request has come, and the user has not answered yet."""

    NO_RUN = "no SMP run is under way"
    ASKED = "the user is asked for the SMP secret"
    EXPECT2 = "SMP message 2 is expected"
    EXPECT3 = "SMP message 3 is expected"
    EXPECT4 = "SMP message 4 is expected"


#: The rest of an SMP run, up to the reply in which the target must report the outcome.
Rest = Callable[[], SmpReply]


class Unharmed:
    """The session of a target with an insider, which something must not harm.

    capabilities: of the target. named: the target's user names the session in each action, since there are several.
    """

    def __init__(
        self, target: TargetSession, insider: Insider, capabilities: Collection[str], *, named: bool = False
    ) -> None:
        self.target = target
        self.insider = insider
        self._extra_key = target.version == 3 and "extra_key" in capabilities
        self._smp = SmpSession(target, insider) if "smp" in capabilities else None
        self._instance = insider.tag if named else None
        self._rest: Rest | None = None

    def begin(self, moment: SmpMoment) -> None:
        """Bring SMP to a stage, for a run that `check` finishes. Raises Unsupported for a target without SMP."""
        if moment is SmpMoment.NO_RUN:
            return
        if self._smp is None:
            raise Unsupported("it has no SMP")
        with self.target.addressing(self._instance):
            self._rest = _to_moment(self._smp, moment)

    def exchange_texts(self, case: str) -> None:
        """Demand that a text gets through in each direction, which changes the keys of both sides."""
        self.disturb(lambda: None, case)

    def disturb(self, disturbance: Callable[[], None], case: str) -> None:
        """Demand that a text gets through in each direction, with a disturbance between the two.

        At that point, keys have been dropped and old MAC keys are due.
        """
        with self.target.addressing(self._instance):
            text = b"from the insider"
            self.target.assert_receives_text(self.insider, text, check_id="session.disturbed", case=case)
        disturbance()
        with self.target.addressing(self._instance):
            text = b"from the target"
            self.target.assert_sends_text(self.insider, text, check_id="session.disturbed", case=case)

    def check(self, case: str) -> None:
        """Demand that the session is unharmed. case: what has happened."""
        self.exchange_texts(case)
        with self.target.addressing(self._instance):
            if self._rest is not None:
                rest, self._rest = self._rest, None
                self._succeeds(rest, "smp.run-disturbed", case)
            self._check_extra_key(case)
            if self._smp is not None:
                for moment in (SmpMoment.ASKED, SmpMoment.EXPECT2):
                    self._succeeds(self._whole_run(self._smp, moment), "smp.later-run-disturbed", case)
        self.exchange_texts(case)
        self.target.assert_in_order(self.insider)

    def _check_extra_key(self, case: str) -> None:
        """Demand that the extra key is that of the keys in use."""
        if not self._extra_key:
            return
        pair = (self.insider.our_keyid - 1, self.insider.their_keyid)
        reply = self.target.receive(self.insider.data(tlvs=[tlv(8, bytes(4))]))
        key = reply.one(ExtraKeyDerived, "extra-key.disturbed", case=case).key
        check_equal("extra-key.disturbed", key, self.insider.keys(*pair).extra_key, case=case)

    def _whole_run(self, smp: SmpSession, moment: SmpMoment) -> Rest:
        return lambda: _to_moment(smp, moment)()

    @staticmethod
    def _succeeds(rest: Rest, check_id: str, case: str) -> None:
        """Demand that the rest of an SMP run leads to success."""
        success = "the run goes on to its end: the secrets are equal"
        try:
            reply = rest()
        except CheckFailed as failed:
            fail(check_id, expected=success, got=f"{failed.check}, {failed.got}", case=case)
        check(check_id, reply.outcomes == [True], expected=success, got=reply, case=case)


def _to_moment(smp: SmpSession, moment: SmpMoment) -> Rest:
    """Bring SMP to a stage; return the rest of the run."""
    if moment is SmpMoment.ASKED:
        run = smp.liar()
        smp.request(run)
        return lambda: _answered(smp, run)
    if moment is SmpMoment.EXPECT2:
        run = smp.liar(target_asks=True)
        second = run.message_2(smp.expect2())
        return lambda: smp.tell(MESSAGE_4, run.message_4(smp.tell(MESSAGE_2, second).numbers(MESSAGE_3)))
    fitting = smp.bring(3 if moment is SmpMoment.EXPECT3 else 4)
    return lambda: smp.tell(*fitting)


def _answered(smp: SmpSession, run: SmpPeer) -> SmpReply:
    """The user, who has been asked, answers, and the run continues."""
    second = smp.user("smp_answer", secret=SECRET).numbers(MESSAGE_2)
    return smp.tell(MESSAGE_3, run.message_3(second))
