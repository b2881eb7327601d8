"""Why an engine did not act: the reasons that events give. Part of the contract.

Each enumeration is for one kind of event, so a type checker rejects, say, a user action refused with BAD_MAC. Drivers,
transcripts and vectors use the values. [Brackets] name a choice of the contract.
"""

from __future__ import annotations

from enum import Enum


class RejectReason(Enum):
    """Why an engine did not act on something it received."""

    # Armour, header and structure, before any state is consulted. [choice encoding.check-order]
    BAD_ARMOUR = "bad_armour"  # no "." after the first "?OTR:", or what is between is not padded standard base64
    MALFORMED = "malformed"  # a field is truncated or has the wrong fixed length, or bytes follow the last field
    UNKNOWN_VERSION = "unknown_version"
    BAD_SENDER_TAG = "bad_sender_tag"  # below MIN_INSTANCE_TAG
    BAD_RECEIVER_TAG = "bad_receiver_tag"  # 1 to MIN_INSTANCE_TAG - 1
    OTHER_INSTANCE = "other_instance"  # meant for another client of this account
    UNKNOWN_TYPE = "unknown_type"
    VERSION_NOT_ALLOWED = "version_not_allowed"  # the policy forbids the version; handshake messages only
    NON_MINIMAL_MPI = "non_minimal_mpi"  # an MPI with leading zero bytes, anywhere
    # Handshake messages: first the state, then cryptographic checks.
    UNEXPECTED = "unexpected"  # a handshake message that does not fit the authentication state
    TOO_MANY_INSTANCES = "too_many_instances"
    COLLISION_WON = "collision_won"  # their commit is ignored because our hash is higher; we resend ours
    BAD_COMMITMENT = "bad_commitment"  # the decrypted g^x does not hash to the SHA256 committed to
    BAD_GROUP_ELEMENT = "bad_group_element"  # outside [2, p-2]
    BAD_MAC = "bad_mac"
    BAD_PUBLIC_KEY = "bad_public_key"  # unknown type, or parameters out of range [choice keys.dsa-ranges]
    BAD_KEY_ID = "bad_key_id"  # 0
    BAD_SIGNATURE = "bad_signature"
    # Data messages.
    NOT_ENCRYPTED = "not_encrypted"  # in PLAINTEXT or FINISHED
    UNKNOWN_KEY = "unknown_key"  # the key id is neither current nor previous, or that key does not exist
    BAD_COUNTER = "bad_counter"
    BAD_TLV = "bad_tlv"  # a truncated TLV, or a version 3 extra-key TLV of fewer than 4 bytes
    # Fragments.
    BAD_FRAGMENT = "bad_fragment"  # [choice fragments.form]
    FRAGMENT_OUT_OF_ORDER = "fragment_out_of_order"
    NESTED_FRAGMENT = "nested_fragment"
    TOO_LARGE = "too_large"  # more than MAX_REASSEMBLY


class SmpAbortReason(Enum):
    """Why an SMP run ended without a result. [choice smp.failed-check]"""

    SMP_UNEXPECTED = "smp_unexpected"  # not the expected SMP message
    SMP_MALFORMED = "smp_malformed"  # wrong count, MPIs or NUL, or bytes left over
    SMP_BAD_ELEMENT = "smp_bad_element"  # a group element outside [2, p-2], or a D value not below q
    SMP_BAD_PROOF = "smp_bad_proof"
    REHANDSHAKE = "rehandshake"  # a new handshake replaced the session that the run belonged to
    SESSION_LEFT = "session_left"  # the peer or the user ended the ENCRYPTED session
    PEER_ABORTED = "peer_aborted"


class RefuseReason(Enum):
    """Why an engine did not do what its user asked. [choice actions.refused]"""

    WRONG_STATE = "wrong_state"
    TOO_LONG = "too_long"
    HAS_NUL = "has_nul"
    NOT_IN_VERSION = "not_in_version"
