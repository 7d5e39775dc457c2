"""Does what a plan says on a person's own devices: starts and stops miners and training jobs, and watches over them.

    plan.json ─► schedule ─► wanted job ─┐
    sensors ───► limits ─────────────────┼─► device ─► group of processes ─► log
    market ────► ended challenges        └─► state.json ─► `trainer run --status`, and whoever starts after a crash

Each device is a machine of four states, moved once a second, which never waits: a miner that takes its time to die
holds up nothing but its own device.
"""
