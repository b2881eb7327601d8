"""What is judged: parties, the engines as targets, lockstep, faulty engines, and drivers in processes of their own.

A target makes parties, and a party takes inputs and returns events, whoever plays it. `registry` has all targets by
name. The room imports `wire`, `spec` and `support`.
"""
