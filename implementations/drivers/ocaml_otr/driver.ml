(* The driver of ocaml-otr: the driver protocol. Requests arrive on standard input, one per line, and are answered on
   standard output. The OTR part is in party.ml.

   An exception of the library is answered with error -32002. A stack overflow, or running out of memory, ends the
   process: if the library crashes, the harness must see the crash. *)

(* The request is not valid: error code and message. *)
exception Refused of int * string

let hello : Yojson.Safe.t =
  let strings names = `List (List.map (fun name -> `String name) names) in
  `Assoc
    [
      ("protocol", `Int 2);
      ("name", `String "ocaml-otr");
      ("version", `String Version.text);
      ("otr_versions", `List [ `Int 2; `Int 3 ]);
      ("randomness", `String "seed");
      ("capabilities", strings [ "v2"; "v3"; "smp"; "smp_question"; "smp_abort"; "policy"; "whitespace_tag" ]);
    ]

let actions =
  [
    "receive"; "send"; "start"; "end"; "smp_start"; "smp_answer"; "smp_abort"; "extra_key"; "set_policy"; "set_time"; "dump";
  ]

let parties : (string, Party.t) Hashtbl.t = Hashtbl.create 2

let result meth params : Yojson.Safe.t =
  let name () = Party.string "party" params in
  match meth with
  | "hello" -> hello
  | "create" ->
    let party = Party.create params in
    Hashtbl.replace parties (name ()) party;
    Party.told party
  | "close" ->
    Hashtbl.remove parties (name ());
    `Assoc []
  | "reset" ->
    Hashtbl.reset parties;
    `Assoc []
  | "shutdown" -> `Assoc []
  | action when List.mem action actions -> (
    match Hashtbl.find_opt parties (name ()) with
    | Some party -> Party.act party action params
    | None -> raise (Refused (-32602, "there is no party " ^ name ())))
  | _ -> raise (Refused (-32601, "no method " ^ meth))

(* An exception with its name and text: "Invalid_argument: index out of bounds". *)
let described = function
  | Invalid_argument what -> "Invalid_argument: " ^ what
  | Failure what -> "Failure: " ^ what
  | Scanf.Scan_failure what -> "Scan_failure: " ^ what
  | error -> Printexc.to_string error

let answer line : Yojson.Safe.t =
  let request = Yojson.Safe.from_string line in
  let member name = Yojson.Safe.Util.member name request in
  let error code message = ("error", `Assoc [ ("code", `Int code); ("message", Party.latin1 message) ]) in
  let outcome =
    try ("result", result (Yojson.Safe.Util.to_string (member "method")) (member "params")) with
    | Party.Unsupported what -> error (-32001) what
    | Refused (code, what) -> error code what
    | (Stack_overflow | Out_of_memory) as fatal -> raise fatal
    | failure ->
      prerr_endline (Printexc.to_string failure);
      Printexc.print_backtrace stderr;
      error (-32002) (described failure)
  in
  `Assoc [ ("jsonrpc", `String "2.0"); ("id", member "id"); outcome ]

let () =
  Printexc.record_backtrace true;
  (* Only the protocol may use standard output; everything else that prints goes to standard error. *)
  let out = Unix.out_channel_of_descr (Unix.dup Unix.stdout) in
  Unix.dup2 Unix.stderr Unix.stdout;
  let rec loop () =
    match input_line stdin with
    | exception End_of_file -> ()
    | line ->
      let answered = answer line in
      output_string out (Yojson.Safe.to_string answered ^ "\n");
      flush out;
      if Yojson.Safe.Util.(member "method" (Yojson.Safe.from_string line)) <> `String "shutdown" then loop ()
  in
  loop ()
