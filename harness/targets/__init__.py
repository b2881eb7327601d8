"""What is judged: parties, the engines as targets, lockstep, faulty engines, and drivers in separate processes.

A target creates parties. A party takes inputs and returns events, whatever implements it. `registry` has all targets by
name. This room imports `wire`, `spec` and `support`.
"""
