(* The library's randomness: bytes derived from the acting party's seed, instead of the system's. *)

(* A seed, and the position in its stream. *)
type t = { seed : string; mutable block : int64; mutable pending : string }

let of_seed seed = { seed; block = 0L; pending = "" }

(* Without a seed, the system gives one. *)
let of_system () =
  let source = open_in_bin "/dev/urandom" in
  let seed = really_input_string source 32 in
  close_in source;
  of_seed seed

let rec draw tape size =
  if String.length tape.pending >= size then begin
    let drawn = String.sub tape.pending 0 size in
    tape.pending <- String.sub tape.pending size (String.length tape.pending - size);
    drawn
  end
  else begin
    let number = Bytes.create 8 in
    Bytes.set_int64_be number 0 tape.block;
    let block = Mirage_crypto.Hash.SHA256.digest (Cstruct.of_string (tape.seed ^ Bytes.to_string number)) in
    tape.block <- Int64.succ tape.block;
    tape.pending <- tape.pending ^ Cstruct.to_string block;
    draw tape size
  end

(* The tape as a generator of mirage-crypto. Entropy that the library adds is ignored. *)
module Generator : Mirage_crypto_rng.Generator with type g = t = struct
  type g = t

  let block = 1
  let create ?time:_ () = of_system ()
  let generate ~g size = Cstruct.of_string (draw g size)
  let reseed ~g:_ _ = ()
  let accumulate ~g:_ _ = `Acc (fun _ -> ())
  let seeded ~g:_ = true
  let pools = 0
end

(* From now on, draw from this tape. *)
let use tape = Mirage_crypto_rng.(set_default_generator (create ~g:tape (module Generator)))
