"""How well faults are noticed: scores, mutants of the engines, and which scenario trips on which fault."""
