"""What notices the faults: scores, mutants of the engines, and which scenario trips on which fault."""
