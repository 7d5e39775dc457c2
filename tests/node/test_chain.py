"""A chain behind a node, through titanoboa: contracts, views, transactions, and what differs from titanoboa's own."""

from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from tests.node.anvil import Anvil
from trainer.chain import CONTRACTS, Deployment, compile_contract, deploy
from trainer.client import MarketClient
from trainer.errors import ChainError, Reverted
from trainer.node.chain import NodeChain, connect
from trainer.node.keys import KeySigner
from trainer.node.settings import Settings
from trainer.protocol import ETHER, SEED_DELAY, Phase, Rule, Terms, Windows

ETH = 10**18


@pytest.fixture
def chain(anvil: Anvil, tmp_path: Path) -> NodeChain:
    return _connect(anvil, tmp_path, 0)


def _connect(anvil: Anvil, home: Path, account: int) -> NodeChain:
    signer = KeySigner(Account.from_key(anvil.accounts[account].key))
    return connect(Settings(node=anvil.url, home=home / "home", patience=5.0), signer)


@pytest.fixture
def deployed(chain: NodeChain) -> Deployment:
    with chain.active():
        return deploy(min_window=10)


def terms(deployed: Deployment, **changes: Any) -> Terms:
    found: dict[str, Any] = {
        "token": ETHER,
        "reward": ETH,
        "opening": ETH,
        "poster_bond": ETH // 10,
        "trainer_bond": ETH // 10,
        "seal_fee": 0,
        "rule": Rule.BEST,
        "threshold": 1,
        "root": b"\x01" * 32,
        "groups": 8,
        "holdout": 2,
        "samples": 4,
        "sample_bytes": 8,
        "input_bits": 8,
        "classes": 2,
        "model_bytes": 1000,
        "engine": str(deployed.engine.address),
        "full_audit": True,
        "windows": Windows(commit=60, reveal=60, claim=60, unseal=60, audit=60, nominate=60),
    }
    return Terms(**(found | changes))


def test_a_market_is_posted_to_drawn_and_seen(anvil: Anvil, chain: NodeChain, deployed: Deployment) -> None:
    me, market = chain.env.eoa, str(deployed.market.address)
    client = MarketClient(chain, chain.contract("Market", market))

    first = client.post(terms(deployed), sender=me, key="one")
    again = client.post(terms(deployed), sender=me, key="one")
    other = client.post(terms(deployed), sender=me)

    assert (first.result, again.result, other.result) == (0, 0, 1)
    assert first.transaction == again.transaction != other.transaction
    assert first.transaction_gas == int(anvil.receipt(first.transaction)["gasUsed"], 16)
    assert chain.balance(market) == 2 * (ETH + ETH // 10)
    with chain.active():
        # the compiled contract and the one from its interface alone
        assert tuple(client.contract.terms_of(0)) == tuple(deployed.market.terms_of(0))
        assert client.phase(0) == Phase.POSTED
        assert client.books(ETHER)["held"] == chain.balance(market)
    (event,) = first.events
    assert (event.id, event.poster, event.seed_block) == (0, me, chain.block - 1 + SEED_DELAY)

    anvil.mine(SEED_DELAY + 1)
    drawn = client.draw(0, sender=me)
    with chain.active():
        assert client.key(0) == bytes(drawn.events[0].key)


def test_a_refusal_is_its_reason_and_costs_nothing(anvil: Anvil, chain: NodeChain, deployed: Deployment) -> None:
    client = MarketClient(chain, chain.contract("Market", str(deployed.market.address)))
    nonce = chain.rpc.nonce(str(chain.env.eoa), pending=True)

    with pytest.raises(Reverted, match="the contract refuses: terms: threshold"):
        client.post(terms(deployed, threshold=99), sender=chain.env.eoa)
    with pytest.raises(Reverted, match="market: no such challenge"):
        client.draw(7, sender=chain.env.eoa)

    assert chain.rpc.nonce(str(chain.env.eoa), pending=True) == nonce


def test_an_estimate_sends_nothing(chain: NodeChain, deployed: Deployment) -> None:
    client = MarketClient(chain, chain.contract("Market", str(deployed.market.address)))
    assert chain.outbox is not None
    told: list[str] = []
    chain.outbox.before = lambda key, preview: told.append(f"{key} {preview.value}")
    before, chain.dry = chain.balance(str(chain.env.eoa)), True

    receipt = client.post(terms(deployed), sender=chain.env.eoa, key="one")

    assert 500_000 < receipt.transaction_gas < 700_000
    assert (receipt.events, receipt.result, chain.balance(str(chain.env.eoa))) == ((), None, before)
    assert told == [f"{deployed.market.address}/post/one {ETH + ETH // 10}"]


def test_contracts_work_as_titanoboa_s_own_do(anvil: Anvil, chain: NodeChain, deployed: Deployment, capfd: Any) -> None:
    with chain.active():
        assert deployed.market.post(terms(deployed).as_tuple(), value=ETH + ETH // 10) == 0
        (event,) = deployed.market.get_logs()
        assert (type(event).__name__, event.id, deployed.market.challenges()) == ("Posted", 0, 1)
        with pytest.raises(Reverted, match="market: no such challenge"):
            deployed.market.clock_of(5)
    assert capfd.readouterr().out == ""


def test_a_deployment_that_was_cut_off_goes_on(anvil: Anvil, chain: NodeChain, tmp_path: Path) -> None:
    chain.env.deployment = "ours"
    with chain.active():
        validator = compile_contract(CONTRACTS / "DenseValidator.vy").deploy()

    resumed = _connect(anvil, tmp_path, 0)
    resumed.env.deployment = "ours"
    with resumed.active():
        assert compile_contract(CONTRACTS / "DenseValidator.vy").deploy().address == validator.address
        resumed.env.deployment = "another"
        assert compile_contract(CONTRACTS / "DenseValidator.vy").deploy().address != validator.address


def test_nobody_signs_for_another(anvil: Anvil, chain: NodeChain, deployed: Deployment, tmp_path: Path) -> None:
    other = anvil.accounts[1].address
    client = MarketClient(chain, chain.contract("Market", str(deployed.market.address)))

    with pytest.raises(ChainError, match=f"the key is that of {chain.env.eoa}, not of {other}"):
        client.draw(0, sender=other)
    looking = connect(Settings(node=anvil.url, home=tmp_path))
    with looking.active():
        assert looking.contract("Market", str(deployed.market.address)).challenges() == 0
        with pytest.raises(ChainError, match="no key to sign with"):
            looking.contract("Market", str(deployed.market.address)).draw(0)


def test_time_is_that_of_the_next_block(anvil: Anvil, chain: NodeChain) -> None:
    head = anvil.block()

    assert chain.now >= head.timestamp
    assert chain.block == head.number
    anvil.mine(3, 1000)
    assert chain.now >= head.timestamp + 1000
