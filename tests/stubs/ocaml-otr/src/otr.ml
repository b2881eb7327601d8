(* The types of what the driver calls, to compile it against; nothing here does anything. *)

module State = struct
  type ret =
    [ `Warning of string
    | `Received_error of string
    | `Received of string
    | `Established_encrypted_session of string
    | `Received_encrypted of string
    | `SMP_awaiting_secret
    | `SMP_received_question of string
    | `SMP_success
    | `SMP_failure ]

  type policy =
    [ `REQUIRE_ENCRYPTION | `SEND_WHITESPACE_TAG | `WHITESPACE_START_AKE | `ERROR_START_AKE | `REVEAL_MACS ]

  type version = [ `V2 | `V3 ]
  type config = unit
  type session = unit

  let all_versions : version list = [ `V2; `V3 ]
  let config (_ : version list) (_ : policy list) : config = ()
  let new_session (_ : config) (_ : Mirage_crypto_pk.Dsa.priv) () : session = ()
  let update_config (_ : config) (session : session) = session
  let version (_ : session) : version = `V3
  let is_encrypted (_ : session) = false
  let session_to_string (_ : session) = ""
end

module Engine = struct
  open State

  type after = session * string option * ret list

  let start_otr (session : session) = (session, "")
  let end_otr (session : session) : session * string option = (session, None)

  let send_otr (session : session) text :
      session * string option * [ `Warning of string | `Sent of string | `Sent_encrypted of string ] =
    (session, None, `Sent text)

  let handle (session : session) (_ : string) : after = (session, None, [])
  let start_smp (session : session) ?question:(_ : string option) (_ : string) : after = (session, None, [])
  let abort_smp (session : session) : after = (session, None, [])
  let answer_smp (session : session) (_ : string) : after = (session, None, [])
end

module Utils = struct
  let their_fingerprint (_ : State.session) : string option = None
  let own_fingerprint (_ : Mirage_crypto_pk.Dsa.priv) = ""
end
