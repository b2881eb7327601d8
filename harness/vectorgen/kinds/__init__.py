"""The authors of the vectors: one function per kind, which writes its cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from otterproof.harness.vectorgen import found
from otterproof.harness.vectorgen.builder import FileBuilder
from otterproof.harness.vectorgen.kinds import (
    authenticate,
    data,
    derive,
    dh_commit,
    dh_key,
    encodings,
    errors,
    extra,
    fragments,
    identity,
    instances,
    policies,
    queries,
    reveals,
    smp_functions,
    smp_states,
    tags,
    talks,
    tlvs,
)

#: Kind -> its author.
AUTHORS: Mapping[str, Callable[[FileBuilder], None]] = {
    "encodings": encodings.encodings,
    "armour": encodings.armour,
    "queries": queries.queries,
    "whitespace_tags": tags.whitespace_tags,
    "error_messages": errors.error_messages,
    "fragments": fragments.fragments,
    "instance_tags": instances.instance_tags,
    "public_keys": identity.public_keys,
    "signatures": identity.signatures,
    "handshake_keys": derive.handshake_keys,
    "dh_commit": dh_commit.dh_commit,
    "dh_key": dh_key.dh_key,
    "reveal_signature": authenticate.reveal_signature,
    "signature": authenticate.signature,
    "session_keys": derive.session_keys,
    "data_messages": data.data_messages,
    "mac_keys": reveals.mac_keys,
    "extra_key": extra.extra_key,
    "tlvs": tlvs.tlvs,
    "smp_secrets": derive.smp_secrets,
    "smp_proofs": smp_functions.smp_proofs,
    "smp_messages": smp_states.smp_messages,
    "conversations": talks.conversations,
    "ratchet": talks.ratchet,
    "forgeries": reveals.forgeries,
    "policies": policies.policies,
    "found": found.found,
}
