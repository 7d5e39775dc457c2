"""Gas of the market's own calls: `python -m bench.market` writes `tests/golden/market_gas.json`, which a test compares.

The engine is the tests' `StepEngine`, which costs little: an audit's figure is mostly the market's overhead.
All slots cold; a challenge with two held-out groups of five samples, among 2, 4 and 32 trainers.
"""

import json
from pathlib import Path
from typing import Any

from tests.world import World, audit_args, build_site, quality
from trainer.protocol import ETHER, SEED_DELAY, SEED_REACH, Outcome

GOLDEN = Path(__file__).parent.parent / "tests" / "golden" / "market_gas.json"
CROWDS = (2, 4, 32)
USUAL = 4
ENDS = Outcome.CANCELLED, Outcome.DESERTED, Outcome.VOID


def measure(trainers: int = USUAL) -> dict[str, dict[str, int]]:
    """Gas of each call in the life of a challenge with a liar and `trainers` - 1 honest trainers.

    Inside the call, and as a transaction pays it: `execution_gas` and `transaction_gas`. Behind it come as many
    challenges that nobody competes for, and three more to be measured.
    """
    site = build_site()
    with site.chain.active():
        world = World(site)
        gas: dict[str, dict[str, int]] = {}

        def send(name: str, function: Any, *args: Any, sender: str, value: int = 0) -> Any:
            receipt = site.chain.send(function, *args, sender=sender, value=value)
            # the first of a kind pays for the ledger's first entries: the last one counts
            gas[name] = {"execution_gas": receipt.execution_gas, "transaction_gas": receipt.transaction_gas}
            return receipt.result

        market, chain = world.market, world.chain
        terms = world.terms()
        for _ in range(2):
            id = send(
                "post", market.post, terms.as_tuple(), sender=world.poster, value=terms.reward + terms.poster_bond
            )
        chain.mine(SEED_DELAY + 1)
        send("draw", market.draw, id, sender=world.stranger)
        liar, *honest = [chain.account(f"trainer {i}", 10**21) for i in range(trainers)]
        models = {liar: quality(7), **{name: quality(i + 1) for i, name in enumerate(honest)}}
        for name, model in models.items():
            bond = terms.trainer_bond + terms.seal_fee
            send("commit", market.commit, id, world.seal(id, name, model), sender=name, value=bond)
        world.pass_phase(id)
        for number, g in enumerate(world.held_out(id)):
            name = "reveal" if number == 0 else "reveal the last"
            proof = list(world.tree.proof(g.index))
            send(name, market.reveal, id, g.index, g.salt, g.labels, proof, g.samples, sender=world.poster)
        send("claim", market.claim, id, 10, sender=liar)
        for name in honest:
            send("claim", market.claim, id, max(world.honest_score(id, name), terms.threshold), sender=name)
        world.pass_phase(id)
        model, salt = world.models[id, liar]
        send("unseal", market.unseal, id, salt, world.lie(id, liar), model, sender=liar)
        predictions, groups = world.lie(id, liar), world.held_out(id)
        wrong = next(
            (slot, i)
            for slot, g in enumerate(groups)
            for i in range(len(g.samples))
            if predictions[slot][i] != world.predictions(id, model)[slot][i]
        )
        args = audit_args(id, wrong[0], 1 << wrong[1], predictions, model, groups[wrong[0]].samples)
        assert send("audit a lie", market.audit, *args, sender=world.auditor) is False
        send("nominate", market.nominate, id, world.market.seal_of(id, honest[0]) - 1, sender=world.auditor)
        world.pass_phase(id)
        model, salt = world.models[id, honest[0]]
        predictions = world.predictions(id, model)
        send("unseal", market.unseal, id, salt, predictions, model, sender=honest[0])
        for slot, g in enumerate(groups):
            name = "audit" if slot == 0 else "audit the last"
            send(name, market.audit, *audit_args(id, slot, 31, predictions, model, g.samples), sender=world.auditor)
        send("settle", market.settle, id, sender=world.stranger)
        # of two trainers the liar has lost his bond and the winner has it back: nothing is left to release
        if len(honest) > 1:
            send("release", market.release, id, market.seal_of(id, honest[1]) - 1, sender=world.stranger)
        send("withdraw", market.withdraw, ETHER, honest[0], sender=honest[0])

        # other challenges are a crowd as well
        *_, unused, deserted, void = [world.post() for _ in range(trainers + len(ENDS))]
        send("cancel", market.cancel, unused, sender=world.poster)
        chain.mine(SEED_DELAY + 1)
        market.draw(deserted, sender=world.stranger)
        world.pass_phase(deserted)
        send("settle a deserted one", market.settle, deserted, sender=world.stranger)
        chain.mine(SEED_REACH + 1)
        send("settle a void one", market.settle, void, sender=world.stranger)
        assert tuple(world.outcome(id) for id in (unused, deserted, void)) == ENDS
    return gas


def crowded() -> dict[str, dict[str, Any]]:
    """Each call's gas as it usually is, and its execution gas among few and many trainers."""
    crowds = {trainers: measure(trainers) for trainers in CROWDS}
    calls: dict[str, dict[str, Any]] = {}
    for call, gas in crowds[USUAL].items():
        among = {str(n): crowd[call]["execution_gas"] for n, crowd in crowds.items() if call in crowd}
        calls[call] = {**gas, "execution_gas_among": among}
    return calls


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(crowded(), indent=1) + "\n")
