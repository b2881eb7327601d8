"""What is judged: parties, the engines as targets, lockstep, faulty engines, and drivers in separate processes.

A target makes parties, and a party takes inputs and returns events, whatever it is made of. `registry` has all
targets by name. The room imports `wire`, `spec` and `support`.
"""
