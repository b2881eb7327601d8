(* One end of a conversation, run by ocaml-otr: versions 2 and 3, all policies, one session at a time.

   The library has no callbacks: a call takes a session and returns the next one, at most one message, and what to tell
   the user. Adaptations:
   - The reasons come from the texts of the library's warnings. If a text fits several reasons, the reason is null.
   - The library's description of a session, before and after the call, shows what it does not tell: that a session was
     left, that SMP ended without a result, and the correspondent's instance tag.
   - The library's policy REVEAL_MACS, which the protocol does not have, is always on, because the protocol requires
     what it does.
   - Versions are passed in the order of [State.all_versions], the library's own list.
   - A configuration without versions, padding, and choosing an instance are unsupported.
   - The library draws its instance tag when a handshake begins. It does not tell that the correspondent asks for an
     extra key, does not fragment, and sends no heartbeats.
   - An exception is an error (-32002), because the library documents none. *)

open Otr

exception Unsupported of string

type t = {
  dsa : Mirage_crypto_pk.Dsa.priv;
  tape : Tape.t;
  mutable session : State.session;
  mutable events : Yojson.Safe.t list; (* of the current call, latest first *)
}

(* Values *)

let hex bytes =
  String.concat "" (List.map (fun c -> Printf.sprintf "%02x" (Char.code c)) (List.of_seq (String.to_seq bytes)))

let of_hex digits =
  String.init (String.length digits / 2) (fun i -> Char.chr (int_of_string ("0x" ^ String.sub digits (2 * i) 2)))

(* In JSON, bytes are characters U+0000 to U+00FF; Yojson's strings are UTF-8. *)
let latin1 bytes : Yojson.Safe.t =
  let out = Buffer.create (String.length bytes) in
  String.iter (fun c -> Buffer.add_utf_8_uchar out (Uchar.of_char c)) bytes;
  `String (Buffer.contents out)

let bytes text =
  let out = Buffer.create (String.length text) in
  let rec go i =
    if i < String.length text then
      match text.[i] with
      | '\xc2' | '\xc3' when i + 1 < String.length text ->
        Buffer.add_uint8 out (((Char.code text.[i] land 3) lsl 6) lor (Char.code text.[i + 1] land 63));
        go (i + 2)
      | c when c < '\x80' ->
        Buffer.add_char out c;
        go (i + 1)
      | _ -> invalid_arg "a character is no byte (U+0000 to U+00FF)"
  in
  go 0;
  Buffer.contents out

let member name params = Yojson.Safe.Util.member name params
let string name params = Yojson.Safe.Util.to_string (member name params)
let text name params = bytes (string name params)

let has_prefix prefix text =
  String.length text >= String.length prefix && String.sub text 0 (String.length prefix) = prefix

let after prefix text = String.sub text (String.length prefix) (String.length text - String.length prefix)

let contains part text =
  let size = String.length part in
  let rec at i = i + size <= String.length text && (String.sub text i size = part || at (i + 1)) in
  at 0

let config params =
  let flags = List.map Yojson.Safe.Util.to_string (Yojson.Safe.Util.to_list (member "policy" params)) in
  let on name value = if List.mem name flags then [ value ] else [] in
  let allowed = on "allow_v2" `V2 @ on "allow_v3" `V3 in
  if allowed = [] then raise (Unsupported "the library has no configuration without a version");
  State.config
    (List.filter (fun version -> List.mem version allowed) State.all_versions)
    (on "require_encryption" `REQUIRE_ENCRYPTION
    @ on "send_whitespace_tag" `SEND_WHITESPACE_TAG
    @ on "whitespace_start_ake" `WHITESPACE_START_AKE
    @ on "error_start_ake" `ERROR_START_AKE
    @ [ `REVEAL_MACS ])

let key params =
  let number name = Z.of_string_base 16 (string name (member "key" params)) in
  match
    Mirage_crypto_pk.Dsa.priv ~p:(number "p") ~q:(number "q") ~gg:(number "g") ~y:(number "y") ~x:(number "x") ()
  with
  | Ok key -> key
  | Error (`Msg why) -> raise (Unsupported ("the library does not take the key: " ^ why))

let create params =
  let tape =
    match member "seed" params with `String seed -> Tape.of_seed (of_hex seed) | _ -> Tape.of_system ()
  in
  Tape.use tape;
  let dsa = key params in
  { dsa; tape; session = State.new_session (config params) dsa (); events = [] }

(* The result of create. *)
let told party : Yojson.Safe.t =
  `Assoc [ ("instance_tag", `Null); ("fingerprint", `String (hex (Utils.own_fingerprint party.dsa))) ]

(* The library's description of a session: "state: encrypted version 3 (smp initial), instances: other 00000100, my 0000abcd" *)

let is state session = has_prefix ("state: " ^ state) (State.session_to_string session)

let instance session : Yojson.Safe.t =
  let words = State.session_to_string session in
  let mark = "other " in
  let rec find i =
    if i + 14 > String.length words then `Int 0
    else if String.sub words i 6 = mark then `Int (int_of_string ("0x" ^ String.sub words (i + 6) 8))
    else find (i + 1)
  in
  if State.version session = `V3 then find 0 else `Int 0

let smp_runs session =
  let words = State.session_to_string session in
  contains "(smp " words && not (contains "(smp initial)" words)

(* Events *)

let tell party name fields = party.events <- `Assoc (("event", `String name) :: fields) :: party.events
let send party = Option.iter (fun message -> tell party "outgoing_message" [ ("message", latin1 message) ])
let reason_field = function Some reason -> ("reason", `String reason) | None -> ("reason", `Null)

let refuse party action =
  tell party "action_refused" [ ("action", `String action); ("reason", `String "wrong_state") ]

type refusal = Unreadable of string option | Rejected of string option

(* The meaning of a warning about a received message. *)
let refusal = function
  | "received encrypted data while in plaintext mode, ignoring unreadable message"
  | "received data while in finished state, ignoring" -> Unreadable (Some "not_encrypted")
  | "wrong send keyid" | "wrong receive keyid" | "invalid previous gy" -> Unreadable (Some "unknown_key")
  | "invalid gy" -> Unreadable (Some "bad_group_element")
  | "ignoring message with invalid counter" -> Unreadable (Some "bad_counter")
  | "invalid mac" -> Unreadable (Some "bad_mac")
  | "invalid data" | "Malformed OTR data message: parser reported underflow" -> Unreadable (Some "malformed")
  | "Malformed OTR data message: parser reported leading zero" -> Unreadable (Some "non_minimal_mpi")
  | "ignoring message with invalid version" -> Unreadable None
  | "Malformed OTR data message: type" | "ignoring unknown message" -> Rejected (Some "unexpected")
  | "Malformed OTR data message: version" | "AKE error encountered: error while parsing: version" ->
    Rejected (Some "unknown_version")
  | "Malformed OTR data message: message type" | "AKE error encountered: error while parsing: message type" ->
    Rejected (Some "unknown_type")
  | "AKE error encountered: underflow" | "AKE error encountered: underflow error while parsing" ->
    Rejected (Some "malformed")
  | "AKE error encountered: leading zero of a MPI while parsing" -> Rejected (Some "non_minimal_mpi")
  | "AKE error encountered: mac does not match mac'" | "AKE error encountered: mac do not match" ->
    Rejected (Some "bad_mac")
  | "AKE error encountered: hgx does not match hgx'" -> Rejected (Some "bad_commitment")
  | "AKE error encountered: invalid DH public key" -> Rejected (Some "bad_group_element")
  | "AKE error encountered: DSA verification failed" -> Rejected (Some "bad_signature")
  | "Malformed OTR data message while parsing OTR message" -> Rejected (Some "bad_armour")
  | "ignoring unexpected recursive fragment" -> Rejected (Some "nested_fragment")
  | "ignoring malformed TLV" -> Rejected (Some "bad_tlv")
  | words when contains "fragment" words && contains "while parsing" words -> Rejected (Some "bad_fragment")
  | _ -> Rejected None

let in_the_clear = "received unencrypted data"

(* The ssid, which the library writes as "[01234567] 89abcdef" or "01234567 [89abcdef]", with brackets for bold. *)
let established party before ssid =
  let digits = String.concat "" (List.concat_map (String.split_on_char ']') (String.split_on_char '[' ssid)) in
  let fingerprint = match Utils.their_fingerprint party.session with Some bytes -> `String (hex bytes) | None -> `Null in
  tell party "session_established"
    [
      ("instance", instance party.session);
      ("version", `Int (match State.version party.session with `V2 -> 2 | `V3 -> 3));
      ("ssid", `String (String.concat "" (String.split_on_char ' ' digits)));
      ("fingerprint", fingerprint);
      ("sent_reveal_signature", `Bool (ssid.[0] = '['));
      ("refreshed", `Bool (State.is_encrypted before));
      ("same_key", `Null);
    ]

let smp_aborted party before reason = tell party "smp_aborted" [ ("instance", instance before); reason_field reason ]

(* Report what a call returns for the user, in order. *)
let report party before (told : State.ret list) =
  let warn = List.mem (`Warning in_the_clear) told in
  let ask question = tell party "smp_requested" [ ("instance", instance before); ("question", question) ] in
  let finish equal = tell party "smp_finished" [ ("instance", instance before); ("equal", `Bool equal) ] in
  let show text secure =
    let where = if secure then instance before else `Int 0 in
    let warn = warn && not secure in
    tell party "text_received"
      [ ("text", latin1 text); ("secure", `Bool secure); ("warn", `Bool warn); ("instance", where) ]
  in
  let where = [ ("field", `String ""); ("offset", `Int 0) ] in
  let rec go : State.ret list -> unit = function
    | [] -> ()
    | `SMP_received_question question :: `SMP_awaiting_secret :: rest -> ask (latin1 question); go rest
    | one :: rest -> one_report one; go rest
  and one_report = function
    | `Received text -> show text false
    | `Received_encrypted text -> show text true
    | `Received_error words -> tell party "error_message_received" [ ("text", latin1 (after "Received OTR Error: " words)) ]
    | `Established_encrypted_session ssid -> established party before ssid
    | `SMP_received_question question -> ask (latin1 question)
    | `SMP_awaiting_secret -> ask `Null
    | `SMP_success -> finish true
    | `SMP_failure -> finish false
    | `Warning words when words = in_the_clear || words = "OTR connection lost" -> ()
    | `Warning "unexpected SMP message" -> smp_aborted party before None
    | `Warning "invalid zero knowledge proof" -> smp_aborted party before (Some "smp_bad_proof")
    | `Warning words -> (
      match refusal words with
      | Unreadable reason ->
        tell party "message_unreadable" ((("instance", instance before) :: [ reason_field reason ]) @ where)
      | Rejected reason -> tell party "message_rejected" (reason_field reason :: where))
  in
  go told

(* Report what the library does not tell, by comparing the session before and after the call. *)
let compare party before =
  let now = party.session in
  let told name =
    List.exists (fun event -> Yojson.Safe.Util.member "event" event = `String name) party.events
  in
  if smp_runs before && (not (smp_runs now)) && not (told "smp_finished" || told "smp_aborted") then
    smp_aborted party before None;
  if is "finished" now && not (is "finished" before) then tell party "peer_ended_session" [ ("instance", instance before) ]
  else if is "plain" now && not (is "plain" before) then tell party "user_ended_session" [ ("instance", instance before) ]

(* Actions *)

let receive party params =
  let before = party.session in
  let session, out, told = Engine.handle before (text "message" params) in
  party.session <- session;
  send party out;
  report party before told;
  compare party before

let send_text party params =
  if member "padding" params <> `Null then raise (Unsupported "the library does not pad");
  let session, out, told = Engine.send_otr party.session (text "text" params) in
  party.session <- session;
  send party out;
  match told with `Warning _ -> refuse party "send" | `Sent _ | `Sent_encrypted _ -> ()

let start party =
  let before = party.session in
  let session, query = Engine.start_otr before in
  party.session <- session;
  send party (Some query);
  compare party before

let end_session party =
  let before = party.session in
  let session, out = Engine.end_otr before in
  party.session <- session;
  send party out;
  compare party before

(* An abort caused by our own user's abort or start is not reported. *)
let smp party action (session, out, told) =
  let before = party.session in
  party.session <- session;
  send party out;
  if told <> [] then refuse party action;
  if action = "smp_answer" then compare party before

let act party action params : Yojson.Safe.t =
  Tape.use party.tape;
  party.events <- [];
  if member "instance" params <> `Null then raise (Unsupported "the library knows one session, and no instances");
  (match action with
  | "receive" -> receive party params
  | "send" -> send_text party params
  | "start" -> start party
  | "end" -> end_session party
  | "smp_start" ->
    let question = match member "question" params with `Null -> None | _ -> Some (text "question" params) in
    smp party action (Engine.start_smp party.session ?question (text "secret" params))
  | "smp_answer" -> smp party action (Engine.answer_smp party.session (text "secret" params))
  | "smp_abort" -> smp party action (Engine.abort_smp party.session)
  | "set_policy" -> party.session <- State.update_config (config params) party.session
  | _ -> raise (Unsupported ("the library can't " ^ action)));
  `Assoc [ ("events", `List (List.rev party.events)) ]
