"""How an implementation is judged: codec, model, network and adversary, transcript, lockstep, report, commands."""
