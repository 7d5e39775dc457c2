"""Which device does what, hour by hour: mining a coin, training for a challenge, or nothing.

    rig.toml ─┐
    profile ──┤
    feed ─────┼─► instance ─► model (HiGHS) ─► value, told in sentences ─► plan.json
    challenges┘                   └─ beside the baselines, and the plan that runs now

`rig`, `feed` and `plan` are the file formats; nothing here starts a process, see `trainer.rig` for that.
"""
