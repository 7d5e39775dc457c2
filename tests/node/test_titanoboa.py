"""The market on a real node through titanoboa's network mode as it comes, and what it gets wrong there.

`trainer.node` sends on its own, and executes nothing locally; the last three tests are why. Should one of them fail
with another titanoboa, a reason is gone.
"""

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boa
import pytest
from boa.network import NetworkEnv
from eth_account import Account

from tests.node.anvil import Anvil
from trainer.chain import CODE_LIMIT, TRANSACTION_CAP, deploy
from trainer.protocol import ETHER, SEED_DELAY, Phase, Rule, Terms, Windows

pytestmark = pytest.mark.long_node

ETH = 10**18
MINUTE = 60
OUT_OF_STEP = "local fork did not match node"


@pytest.fixture
def env(anvil: Anvil, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NetworkEnv]:
    """titanoboa's environment over the node, with its accounts."""
    # titanoboa keeps the state of past blocks by chain id and number, for all nodes and for good
    monkeypatch.setenv("HOME", str(tmp_path))
    with boa.set_network_env(anvil.url):
        for account in anvil.accounts:
            boa.env.add_account(Account.from_key(account.key))
        yield boa.env


def terms(engine: str, **more: Any) -> Terms:
    """Terms of a challenge that nobody is going to win."""
    windows = Windows(**dict.fromkeys((field.name for field in dataclasses.fields(Windows)), 10 * MINUTE))
    asked = Terms(
        token=ETHER,
        reward=10 * ETH,
        opening=10 * ETH,
        poster_bond=2 * ETH,
        trainer_bond=ETH,
        seal_fee=ETH // 100,
        rule=Rule.BEST,
        threshold=1,
        root=b"\1" * 32,
        groups=40,
        holdout=2,
        samples=5,
        sample_bytes=32,
        input_bits=4,
        classes=10,
        model_bytes=2_000,
        engine=engine,
        full_audit=True,
        windows=windows,
    )
    return dataclasses.replace(asked, **more)


def post(anvil: Anvil, market: Any, asked: Terms) -> int:
    """Post from the second account; returns the challenge's id."""
    return int(market.post(asked.as_tuple(), sender=anvil.accounts[1].address, value=asked.reward + asked.poster_bond))


def test_a_challenge_is_posted_and_drawn(anvil: Anvil, env: NetworkEnv) -> None:
    before = anvil.block().number
    site = deploy(min_window=MINUTE)
    market = site.market
    for number in range(before + 1, anvil.block().number + 1):
        (transaction,) = anvil.rpc("eth_getBlockByNumber", hex(number), True)["transactions"]
        code = anvil.rpc("eth_getCode", anvil.receipt(transaction["hash"])["contractAddress"], "latest")
        assert len(code) // 2 - 1 <= CODE_LIMIT
        assert int(transaction["gas"], 16) <= TRANSACTION_CAP

    challenge = post(anvil, market, terms(str(site.engine.address)))
    stranger = anvil.accounts[2].address
    with boa.reverts("market: wrong phase"):
        market.draw(challenge, sender=stranger)
    assert Phase(market.clock_of(challenge).phase) is Phase.POSTED

    anvil.mine(SEED_DELAY)
    seed_block = market.challenge(challenge).seed_block
    assert anvil.block().number == seed_block
    # the one block whose predecessor's hash titanoboa knows
    anvil.mine()
    market.draw(challenge, sender=stranger)
    assert market.challenge(challenge).key != bytes(32)
    assert Phase(market.clock_of(challenge).phase) is Phase.COMMIT


def test_events_are_those_of_a_simulation_one_block_early(anvil: Anvil, env: NetworkEnv) -> None:
    site = deploy(min_window=MINUTE)
    challenge = post(anvil, site.market, terms(str(site.engine.address)))
    (event,) = site.market.get_logs()
    assert event.seed_block == site.market.challenge(challenge).seed_block - 1


def test_a_draw_that_was_mined_is_called_reverted(anvil: Anvil, env: NetworkEnv) -> None:
    """The local machine knows no hash but that of the block before."""
    site = deploy(min_window=MINUTE)
    challenge = post(anvil, site.market, terms(str(site.engine.address)))
    anvil.mine(SEED_DELAY + 5)
    sent = anvil.block().number
    with pytest.warns(UserWarning, match=OUT_OF_STEP), pytest.raises(boa.BoaError, match="no hash of the seed block"):
        site.market.draw(challenge, sender=anvil.accounts[2].address)
    assert anvil.block().number == sent + 1
    assert site.market.challenge(challenge).key != bytes(32)


def test_state_of_an_undone_block_is_remembered(anvil: Anvil, env: NetworkEnv) -> None:
    site = deploy(min_window=MINUTE)
    market, asked = site.market, terms(str(site.engine.address))
    anvil.mine()
    with anvil.undone():
        post(anvil, market, asked)
        assert market.terms_of(0).reward == asked.reward
    other = dataclasses.replace(asked, reward=11 * ETH, opening=11 * ETH)
    post(anvil, market, other)
    with pytest.warns(UserWarning, match=OUT_OF_STEP):
        # what the local machine answers is corrected from the node
        assert market.terms_of(0).reward == other.reward
