"""An economy of rigs that mine or train, hour by hour, and the reward that rises over a commit window by itself.

`settings` what is simulated, `population` who and what there is (drawn on the host), `economy` the hours (JAX),
`report` what came out; `auction` the rising reward alone, `splitting` two seals of one trainer.
"""
