# pragma version 0.4.3
"""
@title Terms of a challenge
@license MIT
@notice What a poster fixes for ever when he posts, and the bounds each part must keep.
        Every violation has a reason of its own.
"""

MAX_GROUPS: constant(uint256) = 2**20
MAX_HOLDOUT: constant(uint256) = 256
MAX_SAMPLES: constant(uint256) = 32
MAX_CLASSES: constant(uint256) = 256
# Model and one group together.
MAX_PAYLOAD: constant(uint256) = 124 * 1024
# With a prediction word a slot; all else in an audit is shorter than the KiB that is left of a public mempool's 128.
MAX_CALLDATA: constant(uint256) = 127 * 1024
# Sums of a few amounts below 2**128 cannot leave 256 bits.
MAX_AMOUNT: constant(uint256) = 2**128 - 1
MAX_WINDOW: constant(uint256) = 365 * 24 * 3600
# Groups that fit into each further minimal reveal window.
REVEALS_PER_WINDOW: constant(uint256) = 60


# BEST: the highest claim leads, ties go to the lower seal index. FIRST: every claim is the threshold, the lowest seal
# index leads.
flag Rule:
    BEST
    FIRST


struct Windows:
    commit: uint256  # seconds
    reveal: uint256
    claim: uint256
    unseal: uint256
    audit: uint256
    nominate: uint256


struct Terms:
    token: address  # the zero address is ether
    reward: uint256  # all amounts in the token's smallest unit
    opening: uint256  # what the reward is when commits open; it rises to the whole until they close
    poster_bond: uint256
    trainer_bond: uint256
    seal_fee: uint256
    rule: Rule
    threshold: uint256  # right answers a winner needs, of holdout * samples
    root: bytes32  # Merkle root of all groups
    groups: uint256  # G
    holdout: uint256  # H, groups drawn for the hold-out
    samples: uint256  # S, samples in a group
    sample_bytes: uint256
    input_bits: uint256
    classes: uint256
    model_bytes: uint256  # the longest model that may be unsealed
    engine: address
    full_audit: bool
    windows: Windows


@internal
@view
def _check(terms: Terms, min_window: uint256):
    """
    @dev Refuses terms outside the protocol's bounds.
    @param terms What the poster asks for.
    @param min_window The shortest window, in seconds.
    """
    assert terms.token == empty(address) or terms.token.is_contract, "terms: token has no code"
    assert terms.reward > 0, "terms: reward is zero"
    assert terms.opening <= terms.reward, "terms: opening over the reward"
    assert terms.poster_bond > 0, "terms: poster bond is zero"
    assert terms.trainer_bond > 0, "terms: trainer bond is zero"
    assert (
        max(max(terms.reward, terms.poster_bond), max(terms.trainer_bond, terms.seal_fee)) <= MAX_AMOUNT
    ), "terms: amount over 2**128 - 1"
    assert terms.rule == Rule.BEST or terms.rule == Rule.FIRST, "terms: rule unknown"
    assert terms.root != empty(bytes32), "terms: root is empty"

    assert terms.groups <= MAX_GROUPS, "terms: too many groups"
    assert terms.holdout >= 1, "terms: hold-out is empty"
    assert terms.holdout <= MAX_HOLDOUT, "terms: hold-out too large"
    assert terms.holdout < terms.groups, "terms: nothing left to train on"
    assert terms.samples >= 1, "terms: group is empty"
    assert terms.samples <= MAX_SAMPLES, "terms: group too large"
    # holdout <= 256 and samples <= 32: no overflow
    assert terms.threshold >= 1, "terms: threshold is zero"
    assert terms.threshold <= terms.holdout * terms.samples, "terms: threshold impossible"
    assert terms.input_bits in [1, 2, 4, 8], "terms: input bits"
    assert terms.classes >= 2, "terms: too few classes"
    assert terms.classes <= MAX_CLASSES, "terms: too many classes"
    assert terms.sample_bytes >= 1, "terms: sample is empty"
    assert terms.sample_bytes <= MAX_PAYLOAD, "terms: sample too large"
    assert terms.model_bytes >= 1, "terms: model is empty"
    assert terms.model_bytes <= MAX_PAYLOAD, "terms: model too large"
    # samples <= 32 and both sizes <= 2**17: no overflow
    payload: uint256 = terms.samples * terms.sample_bytes + terms.model_bytes
    assert payload <= MAX_PAYLOAD, "terms: group and model too large"
    assert payload + 32 * terms.holdout <= MAX_CALLDATA, "terms: audit too large"

    windows: uint256[6] = [
        terms.windows.commit,
        terms.windows.reveal,
        terms.windows.claim,
        terms.windows.unseal,
        terms.windows.audit,
        terms.windows.nominate,
    ]
    for window: uint256 in windows:
        assert window >= min_window, "terms: window too short"
        assert window <= MAX_WINDOW, "terms: window too long"
    assert (
        terms.windows.reveal >= min_window + (min_window * terms.holdout + REVEALS_PER_WINDOW - 1) // REVEALS_PER_WINDOW
    ), "terms: reveal window too short"
