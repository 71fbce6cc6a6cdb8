"""What runs: the gate process, the control process, and the supervisor that keeps both of them going.

`connector serve` is the supervisor. `docs/decisions/0032` says why there are two processes.
"""
