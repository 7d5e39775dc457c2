"""What a run must have reached: every call, rule, event, phase, step of phases, outcome, situation and refusal."""

from fuzz.acts import ACTS
from fuzz.model import FLAWS
from trainer.protocol import Outcome, Phase

OUTCOMES = {o.name for o in Outcome} - {"CANCELLED"}
PHASES = {p.name for p in Phase}
CALLS = {*ACTS[:12], "force"}
MANNERS = {*(f"token {flaw}" for flaw in (0, *FLAWS)), *(f"payee {mode}" for mode in range(4))}
RULES = {*ACTS, "lead", "compete", "dispute", "no_show", "meet", "overreach", "crowd", "edge", "probe"}
TRANSITIONS = {
    "→ POSTED",
    *("POSTED → DRAW", "POSTED → CLOSED", "DRAW → COMMIT", "DRAW → SETTLE", "COMMIT → REVEAL", "COMMIT → SETTLE"),
    *("REVEAL → CLAIM", "REVEAL → SETTLE", "CLAIM → UNSEAL", "CLAIM → SETTLE", "UNSEAL → AUDIT", "UNSEAL → NOMINATE"),
    *("AUDIT → NOMINATE", "AUDIT → SETTLE", "NOMINATE → UNSEAL", "NOMINATE → SETTLE", "SETTLE → CLOSED"),
}
"""Every step from phase to phase that one call or one deadline makes; several deadlines at once make others."""
EVENTS = {
    "Posted", "Cancelled", "Drawn", "Committed", "Revealed", "HoldoutComplete", "Claimed", "Unsealed", "Audited",
    "Fraud", "Defaulted", "Nominated", "Released", "Settled", "Credited", "Burned", "Withdrawn",
}  # fmt: skip
SITUATIONS = {
    "two tokens at once", "two engines at once", "an engine out of gas", "an honest model below the threshold",
    "a reward that rose", "a part of the reward goes back", "a winner who waited longer than another",
    "more right answers than a byte counts", "more seals than four bits count",
    *(f"ether with {call}" for call in CALLS - {"force", "post", "commit"}),
}  # fmt: skip
"""What an example meets that is neither call nor event."""
REFUSALS = {
    *(f"terms: {cause}" for cause in (
        "token has no code", "reward is zero", "opening over the reward", "poster bond is zero",
        "trainer bond is zero", "amount over 2**128 - 1", "rule unknown", "root is empty", "too many groups",
        "hold-out is empty", "hold-out too large", "nothing left to train on", "group is empty", "group too large",
        "threshold is zero", "threshold impossible", "input bits", "too few classes", "too many classes",
        "sample is empty", "sample too large", "model is empty", "model too large", "group and model too large",
        "audit too large", "window too short", "window too long", "reveal window too short", "engine unknown",
    )),
    *(f"market: {cause}" for cause in ("no such challenge", "wrong phase", "not the poster")),
    "draw: no hash of the seed block",
    "commit: seal is empty", "commit: one seal per address",
    *(f"reveal: {cause}" for cause in (
        "wrong length of samples", "bad label word", "not the committed group", "group is not held out",
        "already revealed",
    )),
    *(f"claim: {cause}" for cause in (
        "caller has no seal", "already made", "below the threshold", "not the threshold", "more than all",
    )),
    *(f"unseal: {cause}" for cause in (
        "not the candidate", "not the sealed model", "model too long", "wrong number of words", "bad prediction word",
        "fewer right than claimed",
    )),
    *(f"audit: {cause}" for cause in (
        "no group", "no such slot", "no such sample", "nothing new to execute", "not the predictions", "not the model",
        "not the samples",
    )),
    *(f"engine: {cause}" for cause in (
        "wrong length", "not a model", "sample bytes", "input bits", "classes", "broken",
    )),
    "nominate: no standing claim", "nominate: not better",
    "release: no bond", "release: too early", "release: the claim stands",
    *(f"ledger: {cause}" for cause in (
        "wrong amount of ether", "ether beside a token", "nothing to withdraw", "no receiver", "wrong amount left",
        "token refused", "wrong amount arrived",
    )),
    "token: blocked", "actor: refused",
    "", "(out of gas)",
}  # fmt: skip
"""Every refusal that calls of the market can meet; those of its constructor and views are left to the tests."""
