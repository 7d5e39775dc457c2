# pragma version 0.4.3
# pragma nonreentrancy on
# pragma optimize codesize
"""
@title Market: a challenge's life, from data set to payout
@license MIT
@notice
    A poster escrows a reward and commits to a data set; trainers seal models; the chain scores what the winner shows.

    The money:
    1. `post` escrows reward and poster bond, `commit` a trainer bond (and burns the seal fee).
    2. Revealing the whole hold-out frees the poster bond; withholding it burns the bond and returns the reward.
    3. A candidate who is late loses his bond to nobody; one whose prediction an audit disproves loses half to the
       auditor and half to nobody.
    4. `settle` pays the reward once: to the winner, or back to the poster.
    5. `release` frees the bond of every seal that did nothing wrong.
    6. `withdraw` is the only way out, and only the owner of a credit can use it.

    Who can stop it: nobody. There is no owner, no pause, no upgrade; only `cancel`, `claim`, `unseal` and
    `withdraw` belong to one person; every other step can be taken by anyone, and time leads every challenge to its end.

    The phases are in `modules/phases.vy`, the wire formats in `README.md`.
"""

from .interfaces import IEngine  # the engine a candidate's model is validated and executed by
from .modules import groups  # leaf and index-bound proof of a revealed group
from .modules import lanes  # label and prediction words
from .modules import ledger  # the money
from .modules import phases  # the clock
from .modules import schedule  # what a seal would win
from .modules import split  # the keyed permutation that draws the hold-out
from .modules import terms  # what a poster fixes, and its bounds
from snekmate.utils import block_hash  # the seed, read late through EIP-2935

initializes: ledger

exports: (
    # money
    ledger.withdraw,
    ledger.credit,
    ledger.escrowed,
    ledger.credited,
    ledger.burned,
)


# Blocks from the post to the block whose hash is the seed.
SEED_DELAY: constant(uint256) = 4
MAX_ENGINES: constant(uint256) = 16
MAX_HOLDOUT: constant(uint256) = 256
MAX_DEPTH: constant(uint256) = 20
MAX_PAYLOAD: constant(uint256) = 124 * 1024
# Groups in one audit: 256 samples, the bits of a mask.
MAX_SLOTS: constant(uint256) = 8


struct Seal:
    trainer: address
    hash: bytes32
    claim: uint256  # right answers claimed; 0 for no claim, or one that fell
    bond: uint256  # still escrowed
    rebate: uint256  # what the poster gets back of the reward if this seal wins


struct Group:
    labels: bytes32
    samples: bytes32  # keccak256; empty until revealed


struct Challenge:
    poster: address
    seed_block: uint256
    key: bytes32  # of the split; empty until drawn
    revealed: uint256  # groups of the hold-out revealed so far
    model: bytes32  # keccak256 of the candidate's model
    predictions: bytes32  # keccak256 of the candidate's predictions


event Posted:
    id: indexed(uint256)
    poster: indexed(address)
    terms: terms.Terms
    seed_block: uint256


event Cancelled:
    id: indexed(uint256)


event Drawn:
    id: indexed(uint256)
    key: bytes32
    ends: uint256


event Committed:
    id: indexed(uint256)
    seal: indexed(uint256)
    trainer: indexed(address)
    hash: bytes32
    reward: uint256  # what it would win


event Revealed:
    id: indexed(uint256)
    slot: indexed(uint256)
    group: uint256
    salt: bytes32
    labels: bytes32
    samples: Bytes[MAX_PAYLOAD]


event HoldoutComplete:
    id: indexed(uint256)
    ends: uint256


event Claimed:
    id: indexed(uint256)
    seal: indexed(uint256)
    score: uint256


event Unsealed:
    id: indexed(uint256)
    seal: indexed(uint256)
    score: uint256
    salt: bytes32
    predictions: DynArray[bytes32, MAX_HOLDOUT]
    model: Bytes[MAX_PAYLOAD]
    cost: uint256  # gas that executing one sample takes at most
    ends: uint256


event Audited:
    id: indexed(uint256)
    seal: indexed(uint256)
    slot: indexed(uint256)
    mask: uint256
    auditor: address
    unaudited: uint256


event Fraud:
    id: indexed(uint256)
    seal: indexed(uint256)
    slot: indexed(uint256)
    wrong: uint256
    auditor: address
    bounty: uint256
    ends: uint256


event Defaulted:
    id: indexed(uint256)
    seal: indexed(uint256)


event Nominated:
    id: indexed(uint256)
    seal: indexed(uint256)


event Released:
    id: indexed(uint256)
    seal: indexed(uint256)


event Settled:
    id: indexed(uint256)
    outcome: phases.Outcome
    winner: address
    reward: uint256


# The shortest window a poster may ask for, in seconds.
MIN_WINDOW: public(immutable(uint256))

is_engine: public(HashMap[address, bool])
# Challenges posted so far; ids count from 0.
challenges: public(uint256)
terms_of: public(HashMap[uint256, terms.Terms])
challenge: public(HashMap[uint256, Challenge])
clock: HashMap[uint256, phases.Clock]
# id -> seal index -> seal
seals: public(HashMap[uint256, HashMap[uint256, Seal]])
# id -> trainer -> 1 + seal index, 0 for none
seal_of: public(HashMap[uint256, HashMap[address, uint256]])
# id -> slot -> group
holdout: public(HashMap[uint256, HashMap[uint256, Group]])
# id -> seal index -> slot -> mask of samples already executed
executed: public(HashMap[uint256, HashMap[uint256, HashMap[uint256, uint256]]])


@deploy
def __init__(min_window: uint256, engines: DynArray[address, MAX_ENGINES]):
    """
    @notice Fixes what no challenge can change.
    @param min_window Shortest window in seconds: an hour on a public chain, seconds on a test chain.
    @param engines The contracts that may run models.
    """
    assert min_window > 0, "market: no minimal window"
    assert len(engines) > 0, "market: no engine"
    MIN_WINDOW = min_window
    for engine: address in engines:
        assert engine.is_contract, "market: engine has no code"
        self.is_engine[engine] = True


# ────────────────────────────────────────────── poster ──────────────────────────────────────────────


@external
@payable
def post(asked: terms.Terms) -> uint256:
    """
    @notice Posts a challenge and escrows its reward and the poster's bond.
    @param asked The terms, fixed from here on.
    @return The challenge's id.
    """
    terms._check(asked, MIN_WINDOW)
    assert self.is_engine[asked.engine], "terms: engine unknown"
    id: uint256 = self.challenges
    self.challenges = id + 1
    self.terms_of[id] = asked
    seed_block: uint256 = block.number + SEED_DELAY
    self.challenge[id].poster = msg.sender
    self.challenge[id].seed_block = seed_block
    self.clock[id].phase = phases.Phase.DRAW
    # both are below 2**128
    ledger._take(asked.token, asked.reward + asked.poster_bond)
    log Posted(id=id, poster=msg.sender, terms=asked, seed_block=seed_block)
    return id


@external
def cancel(id: uint256):
    """
    @notice Takes a challenge back before anyone can know its split.
    @param id The challenge.
    """
    now: phases.Clock = self._in(id, phases.Phase.POSTED)
    assert msg.sender == self.challenge[id].poster, "market: not the poster"
    self.clock[id].phase = phases.Phase.CLOSED
    self.clock[id].outcome = phases.Outcome.CANCELLED
    ledger._credit(self.terms_of[id].token, msg.sender, self.terms_of[id].reward + self.terms_of[id].poster_bond)
    log Cancelled(id=id)


@external
def draw(id: uint256):
    """
    @notice Draws the hold-out from the hash of the block fixed at the post, and opens the commits.
    @param id The challenge.
    """
    now: phases.Clock = self._in(id, phases.Phase.DRAW)
    seed: bytes32 = block_hash._block_hash(self.challenge[id].seed_block)
    assert seed != empty(bytes32), "draw: no hash of the seed block"
    # bound to chain, market and challenge: two challenges of one block do not share a split
    key: bytes32 = keccak256(abi_encode(seed, chain.id, self, id))
    self.challenge[id].key = key
    now.phase = phases.Phase.COMMIT
    now.ends = block.timestamp + self.terms_of[id].windows.commit
    self.clock[id] = now
    log Drawn(id=id, key=key, ends=now.ends)


@external
def reveal(
    id: uint256,
    group: uint256,
    salt: bytes32,
    labels: bytes32,
    proof: DynArray[bytes32, MAX_DEPTH],
    samples: Bytes[MAX_PAYLOAD],
):
    """
    @notice Shows one group of the hold-out. Anyone who has it may.
    @param id The challenge.
    @param group Index of the group.
    @param salt The group's salt.
    @param labels Word of the samples' classes.
    @param proof Merkle proof of the group.
    @param samples The samples, one after another.
    """
    now: phases.Clock = self._in(id, phases.Phase.REVEAL)
    count: uint256 = self.terms_of[id].samples
    # the product is at most 2**17
    assert len(samples) == count * self.terms_of[id].sample_bytes, "reveal: wrong length of samples"
    assert lanes._well_formed(labels, count, self.terms_of[id].classes), "reveal: bad label word"
    digest: bytes32 = keccak256(samples)
    assert groups._is_member(
        self.terms_of[id].root, self.terms_of[id].groups, groups._leaf(group, salt, labels, digest), group, proof
    ), "reveal: not the committed group"
    slot: uint256 = self._slot(id, group)
    assert slot < self.terms_of[id].holdout, "reveal: group is not held out"
    assert self.holdout[id][slot].samples == empty(bytes32), "reveal: already revealed"

    self.holdout[id][slot] = Group(labels=labels, samples=digest)
    revealed: uint256 = self.challenge[id].revealed + 1
    self.challenge[id].revealed = revealed
    log Revealed(id=id, slot=slot, group=group, salt=salt, labels=labels, samples=samples)
    if revealed == self.terms_of[id].holdout:
        now.phase = phases.Phase.CLAIM
        now.ends = block.timestamp + self.terms_of[id].windows.claim
        self.clock[id] = now
        ledger._credit(self.terms_of[id].token, self.challenge[id].poster, self.terms_of[id].poster_bond)
        log HoldoutComplete(id=id, ends=now.ends)


# ────────────────────────────────────────────── trainer ─────────────────────────────────────────────


@external
@payable
def commit(id: uint256, hash: bytes32) -> uint256:
    """
    @notice Seals a model: one seal an address, with the trainer's bond and the fee.
    @param id The challenge.
    @param hash The seal, see README.md.
    @return Index of the seal.
    """
    now: phases.Clock = self._in(id, phases.Phase.COMMIT)
    assert hash != empty(bytes32), "commit: seal is empty"
    assert self.seal_of[id][msg.sender] == 0, "commit: one seal per address"
    token: address = self.terms_of[id].token
    bond: uint256 = self.terms_of[id].trainer_bond
    fee: uint256 = self.terms_of[id].seal_fee
    index: uint256 = now.seals
    self.clock[id].seals = index + 1
    reward: uint256 = self.terms_of[id].reward
    # a challenge in this phase ends later than now
    rebate: uint256 = schedule._rebate(
        reward, self.terms_of[id].opening, now.ends - block.timestamp, self.terms_of[id].windows.commit
    )
    self.seals[id][index] = Seal(trainer=msg.sender, hash=hash, claim=0, bond=bond, rebate=rebate)
    self.seal_of[id][msg.sender] = index + 1
    # both are below 2**128
    ledger._take(token, bond + fee)
    if fee > 0:
        ledger._burn(token, fee)
    log Committed(id=id, seal=index, trainer=msg.sender, hash=hash, reward=reward - rebate)
    return index


@external
def claim(id: uint256, score: uint256):
    """
    @notice Claims that the caller's sealed model gives `score` right answers on the hold-out. Once, and final.
    @param id The challenge.
    @param score Right answers; exactly the threshold where the first to reach it wins.
    """
    now: phases.Clock = self._in(id, phases.Phase.CLAIM)
    seal: uint256 = self.seal_of[id][msg.sender]
    assert seal > 0, "claim: caller has no seal"
    assert self.seals[id][seal - 1].claim == 0, "claim: already made"
    assert score >= self.terms_of[id].threshold, "claim: below the threshold"
    if self.terms_of[id].rule == terms.Rule.FIRST:
        assert score == self.terms_of[id].threshold, "claim: not the threshold"
    # at most 256 * 32
    assert score <= self.terms_of[id].holdout * self.terms_of[id].samples, "claim: more than all"
    self.seals[id][seal - 1].claim = score
    if self._leads(id, seal, now.leader):
        self.clock[id].leader = seal
    log Claimed(id=id, seal=seal - 1, score=score)


@external
def unseal(
    id: uint256,
    salt: bytes32,
    predictions: DynArray[bytes32, MAX_HOLDOUT],
    model: Bytes[MAX_PAYLOAD],
):
    """
    @notice The candidate shows his model and what it predicts on the hold-out.
    @param id The challenge.
    @param salt The seal's salt.
    @param predictions A word of classes for each slot.
    @param model The model, valid for the challenge's engine.
    """
    now: phases.Clock = self._in(id, phases.Phase.UNSEAL)
    # a challenge in this phase has a candidate
    seal: uint256 = now.candidate - 1
    assert msg.sender == self.seals[id][seal].trainer, "unseal: not the candidate"
    digest: bytes32 = keccak256(model)
    assert self.seals[id][seal].hash == keccak256(
        abi_encode(chain.id, self, id, msg.sender, digest, salt)
    ), "unseal: not the sealed model"
    assert len(model) <= self.terms_of[id].model_bytes, "unseal: model too long"
    slots: uint256 = self.terms_of[id].holdout
    assert len(predictions) == slots, "unseal: wrong number of words"

    count: uint256 = self.terms_of[id].samples
    classes: uint256 = self.terms_of[id].classes
    score: uint256 = 0
    slot: uint256 = 0
    for word: bytes32 in predictions:
        assert lanes._well_formed(word, count, classes), "unseal: bad prediction word"
        score += lanes._matches(word, self.holdout[id][slot].labels, count)
        slot += 1
    assert score >= self.seals[id][seal].claim, "unseal: fewer right than claimed"
    cost: uint256 = staticcall IEngine(self.terms_of[id].engine).validate(
        model, self.terms_of[id].sample_bytes, self.terms_of[id].input_bits, classes
    )

    self.challenge[id].model = digest
    self.challenge[id].predictions = keccak256(abi_encode(predictions))
    now.phase = phases.Phase.AUDIT
    now.ends = block.timestamp + self.terms_of[id].windows.audit
    # at most 256 * 32
    now.unaudited = slots * count
    self.clock[id] = now
    log Unsealed(
        id=id,
        seal=seal,
        score=score,
        salt=salt,
        predictions=predictions,
        model=model,
        cost=cost,
        ends=now.ends,
    )


# ────────────────────────────────────────────── anyone ──────────────────────────────────────────────


@external
def audit(
    id: uint256,
    slots: DynArray[uint256, MAX_SLOTS],
    mask: uint256,
    predictions: DynArray[bytes32, MAX_HOLDOUT],
    model_bytes: uint256,
    payload: Bytes[MAX_PAYLOAD],
) -> bool:
    """
    @notice Has the engine execute samples of revealed groups. One wrong prediction is fraud.
    @param id The challenge.
    @param slots The groups, by their slots in the hold-out.
    @param mask The samples to execute: bit i of group k is bit k * samples + i. Each group needs one that is new.
    @param predictions As unsealed.
    @param model_bytes Length of the model.
    @param payload The model as unsealed, and behind it the samples of each group as revealed.
    @return Whether the predictions are right.
    """
    now: phases.Clock = self._in(id, phases.Phase.AUDIT)
    seal: uint256 = now.candidate - 1
    samples: uint256 = self.terms_of[id].samples
    # at most 2**17 bytes
    size: uint256 = samples * self.terms_of[id].sample_bytes
    every: uint256 = (1 << samples) - 1
    assert len(slots) > 0, "audit: no group"
    # at most 8 * 32 bits; a shift by 256 gives zero
    assert mask >> (len(slots) * samples) == 0, "audit: no such sample"
    assert keccak256(abi_encode(predictions)) == self.challenge[id].predictions, "audit: not the predictions"
    assert model_bytes <= len(payload), "audit: not the model"
    assert keccak256(slice(payload, 0, model_bytes)) == self.challenge[id].model, "audit: not the model"
    assert len(payload) == model_bytes + len(slots) * size, "audit: not the samples"
    first: uint256 = 0
    at: uint256 = model_bytes
    for slot: uint256 in slots:
        assert slot < self.terms_of[id].holdout, "audit: no such slot"
        assert keccak256(slice(payload, at, size)) == self.holdout[id][slot].samples, "audit: not the samples"
        assert (mask >> first) & every & ~self.executed[id][seal][slot] != 0, "audit: nothing new to execute"
        first += samples
        at += size

    truth: DynArray[bytes32, MAX_SLOTS] = staticcall IEngine(self.terms_of[id].engine).predict(
        payload, model_bytes, mask
    )
    first = 0
    for slot: uint256 in slots:
        chosen: uint256 = (mask >> first) & every
        wrong: uint256 = lanes._differing(predictions[slot], lanes._cut(truth, first), chosen)
        first += samples
        if wrong != 0:
            now = phases._nomination(now, block.timestamp, self.terms_of[id].windows.nominate)
            self.clock[id] = now
            bond: uint256 = self._forfeit(id, seal)
            bounty: uint256 = bond // 2
            ledger._credit(self.terms_of[id].token, msg.sender, bounty)
            ledger._burn(self.terms_of[id].token, bond - bounty)
            log Fraud(id=id, seal=seal, slot=slot, wrong=wrong, auditor=msg.sender, bounty=bounty, ends=now.ends)
            return False
        done: uint256 = self.executed[id][seal][slot]
        self.executed[id][seal][slot] = done | chosen
        now.unaudited -= lanes._count(chosen & ~done)
        log Audited(id=id, seal=seal, slot=slot, mask=chosen, auditor=msg.sender, unaudited=now.unaudited)
    if now.unaudited == 0 and self.terms_of[id].full_audit:
        now = phases._decided(now, phases.Outcome.WON)
    self.clock[id] = now
    return True


@external
def nominate(id: uint256, seal: uint256):
    """
    @notice Puts a standing claim up as the next candidate, if it is better than every claim put up so far.
    @param id The challenge.
    @param seal Index of the claim's seal.
    """
    now: phases.Clock = self._in(id, phases.Phase.NOMINATE)
    assert self.seals[id][seal].claim > 0, "nominate: no standing claim"
    assert self._leads(id, seal + 1, now.leader), "nominate: not better"
    self.clock[id].leader = seal + 1
    log Nominated(id=id, seal=seal)


@external
def settle(id: uint256):
    """
    @notice Pays the reward of a decided challenge, once: to the winner, or back to the poster.
    @param id The challenge.
    """
    now: phases.Clock = self._in(id, phases.Phase.SETTLE)
    self.clock[id].phase = phases.Phase.CLOSED
    self.clock[id].outcome = now.outcome
    token: address = self.terms_of[id].token
    reward: uint256 = self.terms_of[id].reward
    bond: uint256 = self.terms_of[id].poster_bond
    winner: address = empty(address)
    payee: address = self.challenge[id].poster
    if now.outcome == phases.Outcome.WON:
        rebate: uint256 = self.seals[id][now.candidate - 1].rebate
        if rebate > 0:
            ledger._credit(token, payee, rebate)
        reward -= rebate
        winner = self.seals[id][now.candidate - 1].trainer
        payee = winner
        self._release(id, now.candidate - 1)
    ledger._credit(token, payee, reward)
    if now.outcome == phases.Outcome.DESERTED:
        ledger._credit(token, payee, bond)
    elif now.outcome == phases.Outcome.VOID:
        # a look at the draw must cost something
        ledger._credit(token, payee, bond // 2)
        ledger._burn(token, bond - bond // 2)
    elif now.outcome == phases.Outcome.WITHHELD:
        ledger._burn(token, bond)
    log Settled(id=id, outcome=now.outcome, winner=winner, reward=reward)


@external
def release(id: uint256, seal: uint256):
    """
    @notice Frees the bond of a seal: without a claim once the claims are over, with one once the challenge is closed.
    @param id The challenge.
    @param seal Index of the seal.
    """
    now: phases.Clock = self._sync(id)
    assert self.seals[id][seal].bond > 0, "release: no bond"
    if now.phase != phases.Phase.CLOSED:
        assert now.phase in (
            phases.Phase.UNSEAL | phases.Phase.AUDIT | phases.Phase.NOMINATE | phases.Phase.SETTLE
        ), "release: too early"
        assert self.seals[id][seal].claim == 0, "release: the claim stands"
    self._release(id, seal)


# ────────────────────────────────────────────── views ───────────────────────────────────────────────


@external
@view
def clock_of(id: uint256) -> phases.Clock:
    """
    @notice Where a challenge stands now, whether or not anyone has called since.
    @param id The challenge.
    @return Its clock.
    """
    now: phases.Clock = empty(phases.Clock)
    late: uint256 = 0
    now, late = self._now(id)
    return now


@external
@view
def slot_of(id: uint256, group: uint256) -> uint256:
    """
    @notice The image of a group under the draw.
    @param id A challenge that was drawn.
    @param group Index of the group.
    @return Its slot in the hold-out, or a number from `holdout` on if it is a training group.
    """
    return self._slot(id, group)


@external
@view
def is_holdout(id: uint256, group: uint256) -> bool:
    """
    @notice Whether a group is held out.
    @param id A challenge that was drawn.
    @param group Index of the group.
    @return True for the hold-out, False for training.
    """
    return self._slot(id, group) < self.terms_of[id].holdout


# ────────────────────────────────────────────── internal ────────────────────────────────────────────


@internal
@view
def _now(id: uint256) -> (phases.Clock, uint256):
    """
    @dev The clock now, and 1 + the seal index of a candidate who fell by being late.
    @param id The challenge.
    """
    stored: phases.Clock = self.clock[id]
    assert stored.phase != empty(phases.Phase), "market: no such challenge"
    if stored.phase == phases.Phase.DRAW:
        return phases._drawing(stored, self.challenge[id].seed_block), 0
    if stored.phase == phases.Phase.CLOSED:
        stored.ends = phases.FOREVER
    if block.timestamp < stored.ends:
        return stored, 0
    return phases._at(stored, self.terms_of[id].windows, self.terms_of[id].full_audit)


@internal
def _sync(id: uint256) -> phases.Clock:
    """
    @dev Records the clock now; burns the bond of a candidate who was late.
    @param id The challenge.
    """
    now: phases.Clock = empty(phases.Clock)
    late: uint256 = 0
    now, late = self._now(id)
    if late > 0:
        self.clock[id] = now
        ledger._burn(self.terms_of[id].token, self._forfeit(id, late - 1))
        log Defaulted(id=id, seal=late - 1)
    return now


@internal
def _in(id: uint256, phase: phases.Phase) -> phases.Clock:
    """
    @dev The clock, if the challenge is in `phase`.
    @param id The challenge.
    @param phase The phase the caller needs.
    """
    now: phases.Clock = self._sync(id)
    assert now.phase == phase, "market: wrong phase"
    return now


@internal
@view
def _slot(id: uint256, group: uint256) -> uint256:
    """
    @dev Image of a group under the draw.
    @param id The challenge.
    @param group Index of the group.
    """
    key: bytes32 = self.challenge[id].key
    count: uint256 = self.terms_of[id].groups
    assert key != empty(bytes32), "market: not drawn"
    assert group < count, "market: no such group"
    return split._slot(key, group, count)


@internal
@view
def _leads(id: uint256, seal: uint256, leader: uint256) -> bool:
    """
    @dev Whether the claim of 1 + seal index `seal` beats the one of `leader`.
    @param id The challenge.
    @param seal 1 + seal index.
    @param leader 1 + seal index, or 0 for none.
    """
    if leader == 0:
        return True
    mine: uint256 = self.seals[id][seal - 1].claim
    best: uint256 = self.seals[id][leader - 1].claim
    return mine > best or (mine == best and seal < leader)


@internal
def _forfeit(id: uint256, seal: uint256) -> uint256:
    """
    @dev Strikes a fallen candidate's claim and takes its bond off the seal.
    @param id The challenge.
    @param seal Seal index.
    @return The bond, still escrowed.
    """
    bond: uint256 = self.seals[id][seal].bond
    self.seals[id][seal].bond = 0
    self.seals[id][seal].claim = 0
    return bond


@internal
def _release(id: uint256, seal: uint256):
    """
    @dev Credits a seal's bond to its trainer.
    @param id The challenge.
    @param seal Seal index.
    """
    bond: uint256 = self.seals[id][seal].bond
    self.seals[id][seal].bond = 0
    ledger._credit(self.terms_of[id].token, self.seals[id][seal].trainer, bond)
    log Released(id=id, seal=seal)
