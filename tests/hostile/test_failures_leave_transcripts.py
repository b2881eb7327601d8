"""Every failing scenario leaves a transcript that fails again when replayed, and passes with a correct engine."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from otterproof.harness.runs.casting import Casting
from otterproof.harness.runs.faults.trips import tripped_by_hint, trips
from otterproof.harness.runs.rerun import RerunStatus, again
from otterproof.harness.runs.runner import Result, run
from otterproof.harness.simulation.transcript import Transcript, Verdict
from otterproof.harness.simulation.transcript_reading import read_transcript
from otterproof.harness.targets.engines import EngineTarget
from otterproof.harness.targets.registry import open_target
from otterproof.harness.testkit.context import PEER, TARGET, Context
from otterproof.harness.testkit.reply import fail
from otterproof.harness.testkit.scenario import Scenario, load, scenarios
from tests.hostile.driver import VARIABLE

#: One quick scenario of each module, tripped by the fault that the catalogue has for it.
TRIPPED = (
    "attacks.damage.replays[v2]",
    "attacks.handshake.reflected_messages_make_no_session[v2]",
    "attacks.parsing.truncated_handshake_messages[v3]",
    "attacks.session.required_encryption_prevents_cleartext[v2]",
    "attacks.smp.messages_out_of_turn[v3]",
    "clients.lines.a_line_without_its_end_swallows_nothing[v3]",
    "clients.logs.the_key_is_not_in_logs[v2]",
    "clients.restart.the_instance_tag_survives[v3]",
    "clients.screen.the_end_is_seen[v2]",
    "conformance.cells.start_by_policy[v3]",
    "conformance.cells_paths.ways_to_plaintext_and_awaiting_dhkey[v2]",
    "conformance.choices.partial_old_mac_key_is_refused[v3]",
    "conformance.claims.different_seeds_give_different_bytes[v3]",
    "conformance.data.ignore_unreadable[v2]",
    "conformance.data_counters.counters_must_rise[v3]",
    "conformance.data_protection.mac_does_not_cover_old_mac_keys[v2]",
    "conformance.data_received.the_user_is_told_of_unreadable_messages[v2]",
    "conformance.derivation.secrets_with_leading_zeros[v3]",
    "conformance.encoding_armour.truncated_headers_are_refused[v3]",
    "conformance.encoding_keys.fingerprints_exclude_the_key_type[v3]",
    "conformance.encoding_types.leading_zeros_do_not_change_a_number[v3]",
    "conformance.extra_key.version_2_ignores_the_tlv[v2]",
    "conformance.fragments_bounds.size_of_a_message_in_fragments[v2]",
    "conformance.fragments_received.version_2_fragments_are_reassembled[v3]",
    "conformance.fragments_sent.messages_that_fit_are_sent_whole[v3]",
    "conformance.full_messages.many_mac_keys_are_revealed[v2]",
    "conformance.handshake_checks.signature_message_with_a_wrong_mac[v2]",
    "conformance.handshake_later.no_session_before_verification[v2]",
    "conformance.handshake_messages.dh_key_is_well_formed[v3]",
    "conformance.handshake_states.commit_with_the_same_hash[v2]",
    "conformance.handshake_values.gy_out_of_range[v3]",
    "conformance.instances.small_tag_is_drawn_again[v3]",
    "conformance.instances_clients.every_client_is_answered[v3]",
    "conformance.interop.handshake_asked_by_peer[v3]",
    "conformance.keymgmt.initial_keys[v2]",
    "conformance.keymgmt_rotation.key_ids_do_not_wrap_around[v2]",
    "conformance.lookalikes.typed_text_is_encrypted[v2]",
    "conformance.mac_keys.heartbeats_reveal_due_keys[v2]",
    "conformance.many_times.many_clients_write[v3]",
    "conformance.negotiation_errors.errors_are_recognised_by_their_marker[v2]",
    "conformance.negotiation_queries.unterminated_query_is_not_a_query[v3]",
    "conformance.negotiation_tags.tagged_text_warns_when_encryption_is_required[v2]",
    "conformance.policy.plaintext_warns_when_encryption_is_required[v3]",
    "conformance.rare_own_values.own_handshake_with_leading_zeros[v2]",
    "conformance.rare_smp_values.short_numbers_are_accepted[v2]",
    "conformance.rare_values.long_term_keys_with_leading_zeros[v2]",
    "conformance.robustness.query_recovers_from_forgeries[v2]",
    "conformance.silence.silence_changes_no_state[v2]",
    "conformance.smp.run_begun_by_the_user[v3]",
    "conformance.smp_asked.messages_out_of_turn_while_the_user_is_asked[v2]",
    "conformance.smp_bytes.secrets_with_nul[v2]",
    "conformance.smp_made.messages_1_and_3[v2]",
    "conformance.smp_ranges.element_of_1_does_not_replace_the_secret[v2]",
    "conformance.smp_session.forgeries_do_not_disturb_a_run[v2]",
    "conformance.smp_states.answer_after_the_peers_abort[v3]",
    "conformance.smp_user.user_aborts_without_a_run[v3]",
    "conformance.smp_wrong.own_numbers_are_refused[v2]",
    "conformance.state.conversations_begin_in_plaintext[v3]",
    "conformance.state_stored.old_stored_texts_are_not_lost_in_silence[v2]",
    "conformance.state_user.query_replaces_text_when_encryption_is_required[v3]",
    "conformance.tlv.user_ends_the_session[v3]",
    "conformance.tlv_smp.aborts_are_empty[v2]",
    "conformance.unharmed.another_clients_session_disturbs_nothing[v3]",
    "conformance.wide_numbers.key_ids_are_compared_in_all_bytes[v2]",
    "deniability.memory.an_smp_run_ends_with_its_session[v3]",
    "deniability.transcripts.mac_key_of_a_message_is_revealed_once[v3]",
    "differential.courses.odd_input_side_by_side[v2]",
    "differential.form.texts_and_queries_in_the_clear[v2]",
    "differential.insiders.short_signature[v3]",
    "differential.insiders_smp.invalid_smp_from_initiator[v3]",
    "differential.limits.party_settings[v3]",
    "differential.random_runs.random_conversations[v3]",
    "differential.talk.extra_keys[v2]",
    "properties.runs.agreement[v2]",
)

#: Scenarios without a fault in the catalogue, because they only measure or report, and a fault that breaks them.
BROKEN = {
    "readings.data.bytes_after_the_last_field[v2]": "trailing-bytes-crash",
    "readings.handshake.encoded_messages_of_unknown_kinds[v2]": "unknown-type-crashes",
    "readings.keys.a_text_for_another_key[v2]": "ssid-from-other-bytes",
    "readings.negotiation.a_query_in_a_session[v2]": "ssid-from-other-bytes",
    "readings.smp.excess_smp_values[v2]": "trailing-bytes-crash",
    "readings.state.a_handshake_when_the_session_ends[v2]": "ssid-from-other-bytes",
    "walkthrough.how_otr_works[v2]": "ssid-from-other-bytes",
}

#: A module about the processes of drivers, which no engine in this process can fail.
OF_DRIVERS = "conformance.process"


def module(scenario: str) -> str:
    """The module of a scenario, from its id."""
    return scenario.rpartition(".")[0]


def known() -> dict[str, Scenario]:
    """All scenarios by their ids."""
    load()
    return {one.id: one for one in scenarios()}


def only_transcript(result: Result) -> Transcript:
    """The only transcript of a failure."""
    assert result.verdict in (Verdict.FAIL, Verdict.CRASH, Verdict.HANG, Verdict.DESYNC), result.detail
    (path,) = result.transcripts
    transcript = read_transcript(Path(path))
    assert (transcript.verdict, transcript.detail) == (result.verdict, result.detail)
    return transcript


def test_every_module_is_tripped() -> None:
    assert {module(one) for one in (*TRIPPED, *BROKEN)} == {module(one) for one in known()} - {OF_DRIVERS}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TRIPPED, *BROKEN])
def test_a_failure_of_an_engine_leaves_a_transcript(name: str, tmp_path: Path) -> None:
    fault = {**tripped_by_hint(), **trips(), **BROKEN}[name]
    transcript = only_transcript(run(known()[name], open_target(f"fault:{fault}"), b"otterproof", tmp_path))
    assert transcript.header.parties[transcript.header.judged].target == f"fault:{fault}"
    failed, fixed = again(transcript, Casting()), again(transcript, Casting(target="reference"))
    assert failed.fate is RerunStatus.FAILED, failed
    assert failed.drift == "", "each step comes out as recorded"
    assert fixed.fate is RerunStatus.FIXED, fixed


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        "conformance.claims.claimed_capabilities_work[v2]",
        "conformance.process.driver_exits_on_shutdown[v3]",
        "differential.courses.odd_input_side_by_side[v3]",
        "properties.runs.authenticity[v3]",
        "properties.runs.bounds[v3]",
    ],
)
def test_a_failure_of_a_driver_leaves_a_transcript(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver that dies on the first message: the transcript shows what was going on."""
    monkeypatch.setenv(VARIABLE, json.dumps("its last words"))
    target = open_target(f"exec:{sys.executable} {Path(__file__).with_name('driver.py')} stderr")
    try:
        transcript = only_transcript(run(known()[name], target, b"otterproof", tmp_path))
    finally:
        target.close()
    assert again(transcript, Casting(allow_exec=True)).fate is RerunStatus.FAILED
    assert again(transcript, Casting(target="reference")).fate is RerunStatus.FIXED


def made_up(act: Callable[[Context], None]) -> Scenario:
    """A scenario outside all tables."""
    return Scenario("made.up[v3]", "made", "A made-up one.", 3, (), frozenset(), frozenset(), act)


def fails_at_once(context: Context) -> None:
    """Fails before anything happens."""
    fail("made.nothing-happens", rule="Something happens.")


def fails_in_the_making(context: Context) -> None:
    """A party of the second run can't be made."""
    context.pair().establish(PEER)
    context.target = EngineTarget("reference")
    context.target.party = lambda *made_from, **known: fail("made.not-made", rule="It can be made.")  # type: ignore[method-assign]
    context.target_session()


def fails_in_an_earlier_run(context: Context) -> None:
    """A mistake of an earlier run is only discovered after a later one."""
    earlier = context.pair()
    earlier.establish(PEER)
    context.target_session().query()
    context.blame(earlier.record)
    fail("made.earlier-run-wrong", rule="The earlier run is right.")


@pytest.mark.parametrize(
    ("act", "parties", "steps"),
    [(fails_at_once, {TARGET}, 0), (fails_in_the_making, {TARGET}, 0), (fails_in_an_earlier_run, {TARGET, PEER}, 6)],
)
def test_what_fails_is_what_is_written_down(
    act: Callable[[Context], None], parties: set[str], steps: int, tmp_path: Path
) -> None:
    transcript = only_transcript(run(made_up(act), EngineTarget("reference"), b"seed", tmp_path))
    assert transcript.header.parties.keys() == parties
    assert len(transcript.entries) == steps


def test_a_run_with_a_seed_of_its_own_is_repeated_with_the_seed_of_its_scenario(tmp_path: Path) -> None:
    seen = []

    def act(context: Context) -> None:
        seen.append(context.seed)
        context.seed += b", another"
        context.target_session()
        fail("made.does-not-hold", rule="It holds.")

    transcript = only_transcript(run(made_up(act), EngineTarget("reference"), b"seed", tmp_path))
    assert transcript.header.scenario_seed == seen[0]
    assert transcript.header.seed == seen[0] + b", another"
