"""The four columns: whatever moves, each token's escrow, credits and burned sums add up to what came in."""

from collections import Counter
from random import Random
from typing import Any

import boa

from trainer.protocol import ETHER

OTHER = "0x" + "77" * 20
OWNERS = ["0x" + f"{i:02x}" * 20 for i in range(1, 5)]


def test_random_moves_follow_a_table(module: Any) -> None:
    rng = Random(1)
    escrowed = {ETHER: 10**20, OTHER: 500}
    burned: Counter[str] = Counter()
    credit: Counter[tuple[str, str]] = Counter()
    for token, amount in escrowed.items():
        module.eval(f"self.escrowed[{token}] = {amount}")
    for _ in range(60):
        token = rng.choice((ETHER, OTHER))
        amount = rng.choice((0, 1, escrowed[token] // 3, escrowed[token], escrowed[token] + 1))
        owner = rng.choice((*OWNERS, None))
        if amount > escrowed[token]:
            with boa.reverts():
                module.internal._burn(token, amount)
            with boa.reverts():
                module.internal._credit(token, OWNERS[0], amount)
            continue
        if amount == escrowed[token]:
            amount //= 2
        escrowed[token] -= amount
        if owner is None:
            module.internal._burn(token, amount)
            burned[token] += amount
        else:
            module.internal._credit(token, owner, amount)
            credit[token, owner] += amount
        for t in (ETHER, OTHER):
            credited = sum(a for (of, _), a in credit.items() if of == t)
            assert (module.escrowed(t), module.credited(t), module.burned(t)) == (escrowed[t], credited, burned[t])
            assert [module.credit(t, o) for o in OWNERS] == [credit[t, o] for o in OWNERS]


def test_withdrawal_takes_all_of_one_credit_and_no_other(module: Any) -> None:
    env = module.env
    module.eval(f"self.escrowed[{ETHER}] = 100")
    module.internal._credit(ETHER, OWNERS[0], 30)
    module.internal._credit(ETHER, OWNERS[1], 50)
    env.set_balance(module.address, 100)
    assert module.withdraw(ETHER, OWNERS[2], sender=OWNERS[0]) == 30
    assert env.get_balance(OWNERS[2]) == 30
    assert (module.credit(ETHER, OWNERS[0]), module.credit(ETHER, OWNERS[1]), module.credited(ETHER)) == (0, 50, 50)
    with boa.reverts("ledger: nothing to withdraw"):
        module.withdraw(ETHER, OWNERS[2], sender=OWNERS[0])
    with boa.reverts("ledger: no receiver"):
        module.withdraw(ETHER, ETHER, sender=OWNERS[1])
    assert env.get_balance(module.address) == 70
