"""Bad tokens hurt only those who chose them: what arrives is counted, and the books of other tokens never move."""

import boa
import pytest

from tests.unchanged import refused, unchanged
from tests.world import ETH, MOCKS, World, quality
from trainer.chain import compile_contract
from trainer.protocol import ETHER, Outcome

NONE, FEE, SILENT, FALSE, BLOCKS, CALLS, MORE, TRIES, DRAINS = range(9)
CREDIT = 13 * ETH + 1


def bend(world: World, flaw: int, *, blocked: str = ETHER, data: bytes = b"") -> None:
    """Make the token misbehave from now on; blocked addresses are refused with any flaw."""
    blocked = "0x" + "ff" * 20 if blocked == ETHER else blocked
    world.token.break_with(flaw, blocked, world.market.address, data)


def cancelled(world: World) -> str:
    """Give the poster a credit in the token."""
    token = str(world.token.address)
    world.market.cancel(world.post(token=token), sender=world.poster)
    return token


ARRIVES_BADLY = [
    (FEE, "ledger: wrong amount arrived"),
    (MORE, "ledger: wrong amount arrived"),
    (FALSE, "ledger: token refused"),
]


@pytest.mark.parametrize(("flaw", "reason"), ARRIVES_BADLY)
def test_deposits_must_arrive_exactly(world: World, flaw: int, reason: str) -> None:
    token = world.token.address
    challenge = world.open(token=token)
    bend(world, flaw)
    with refused(world, reason):
        world.post(token=token)
    with refused(world, reason):
        world.commit(challenge, world.trainers[0], quality(1))
    world.assert_solvent(token)


def test_a_token_that_returns_nothing_works(world: World) -> None:
    bend(world, SILENT)
    token = cancelled(world)
    assert world.market.withdraw(token, world.poster, sender=world.poster) == CREDIT
    assert world.holdings(token) == 0


@pytest.mark.parametrize(("flaw", "reason"), [(FALSE, "ledger: token refused"), (DRAINS, "ledger: wrong amount left")])
def test_a_withdrawal_that_goes_wrong_keeps_the_credit(world: World, flaw: int, reason: str) -> None:
    token = cancelled(world)
    # somebody else's money in the same token, which a bad transfer could eat into
    world.open(token=token)
    bend(world, flaw)
    with refused(world, reason):
        world.market.withdraw(token, world.poster, sender=world.poster)
    bend(world, NONE)
    assert world.market.withdraw(token, world.poster, sender=world.poster) == CREDIT


def test_a_fee_on_withdrawal_is_the_receivers_loss_only(world: World) -> None:
    """The token began to take fees after the deposit: its holder pays them, not the market."""
    token = cancelled(world)
    before = world.token.balanceOf(world.poster)
    bend(world, FEE)
    world.market.withdraw(token, world.poster, sender=world.poster)
    assert world.token.balanceOf(world.poster) == before + CREDIT - 1
    world.assert_solvent(token)


def test_a_blocked_winner_holds_up_nobody_and_names_another_receiver(world: World) -> None:
    ada, ben, *_ = world.trainers
    token = world.token.address
    challenge = world.to_audit({ada: quality(1), ben: quality(3)}, token=token)
    bend(world, BLOCKS, blocked=ada)
    world.audit_all(challenge, ada)
    assert world.settle(challenge) == Outcome.WON
    world.release_all(challenge)
    world.market.withdraw(token, ben, sender=ben)
    world.market.withdraw(token, world.poster, sender=world.poster)
    with refused(world, "token: blocked"):
        world.market.withdraw(token, ada, sender=ada)
    world.market.withdraw(token, world.stranger, sender=ada)
    assert world.token.balanceOf(world.stranger) == 11 * ETH + 1
    assert world.holdings(token) == world.burned(token)


def test_a_token_that_blocks_the_market_holds_up_only_its_own_challenge(world: World) -> None:
    token = cancelled(world)
    ether = world.open()
    bend(world, BLOCKS, blocked=world.market.address)
    with refused(world, "token: blocked"):
        world.market.withdraw(token, world.poster, sender=world.poster)
    world.pass_phase(ether)
    assert world.settle(ether) == Outcome.DESERTED
    world.market.withdraw(ETHER, world.poster, sender=world.poster)
    assert world.holdings() == 0


@pytest.mark.parametrize("name", ["draw", "settle", "release", "withdraw", "post", "commit", "credit"])
def test_a_token_that_calls_back_changes_nothing(world: World, name: str) -> None:
    """While it is paid in, and while it is paid out; each call would succeed at any other time."""
    token = world.token.address
    data = world.ripe_calls(token)[name]
    challenge = world.open(token=token)
    bend(world, CALLS, data=data)
    with unchanged(world), boa.reverts():
        world.commit(challenge, world.trainers[0], quality(1))
    bend(world, TRIES, data=data)
    world.commit(challenge, world.trainers[0], quality(1))
    assert not world.token.reentered()
    bend(world, NONE)
    cancelled(world)
    bend(world, CALLS, data=data)
    with unchanged(world), boa.reverts():
        world.market.withdraw(token, world.poster, sender=world.poster)
    bend(world, TRIES, data=data)
    world.market.withdraw(token, world.poster, sender=world.poster)
    assert not world.token.reentered()
    assert world.credit(world.poster, token) == 0
    assert world.clock(challenge).seals == 1
    world.assert_solvent(token)
    world.assert_solvent()


def test_a_deposit_inside_a_deposit_is_not_counted_twice(world: World) -> None:
    """Both would be measured by the same rise of the balance."""
    token = world.token.address
    data = world.ripe_calls(token)["post"]
    before = world.market.challenges()
    bend(world, TRIES, data=data)
    world.post(token=token)
    assert not world.token.reentered()
    assert world.market.challenges() == before + 1
    world.assert_solvent(token)


def test_two_tokens_never_share_a_column(world: World) -> None:
    """A token that lies about everything moves only its own sums."""
    ada = world.trainers[0]
    other = compile_contract(MOCKS / "Token.vy").deploy()
    other.mint(world.poster, 100 * ETH)
    other.approve(world.market.address, 2**256 - 1, sender=world.poster)
    good = world.to_audit({ada: quality(1)}, token=world.token.address, windows={"audit": 24 * 3600})
    bad = world.open(token=other.address)
    before = world.escrowed(world.token.address), world.holdings(world.token.address)
    other.break_with(FALSE, ETHER, ETHER, b"")
    world.pass_phase(bad)
    assert world.settle(bad) == Outcome.DESERTED
    with refused(world, "ledger: token refused"):
        world.market.withdraw(other.address, world.poster, sender=world.poster)
    assert before == (world.escrowed(world.token.address), world.holdings(world.token.address))
    world.audit_all(good, ada)
    assert world.settle(good) == Outcome.WON
    world.assert_over(world.token.address)


@pytest.mark.filterwarnings("ignore:SELFDESTRUCT:DeprecationWarning", "ignore:.selfdestruct. is deprecated")
@pytest.mark.parametrize("amount", [1, ETH, 10**30])
def test_forced_ether_belongs_to_nobody_and_disturbs_nothing(world: World, amount: int) -> None:
    ada = world.trainers[0]
    challenge = world.to_audit({ada: quality(1)})
    books = world.escrowed(), world.market.credited(ETHER), world.burned()
    env = world.chain.env
    env.set_balance(world.stranger, amount)
    compile_contract(MOCKS / "Forcer.vy").deploy(world.market.address, value=amount, sender=world.stranger)
    assert world.holdings() == sum(books) + amount
    assert books == (world.escrowed(), world.market.credited(ETHER), world.burned())
    for actor in (world.stranger, world.market.address):
        with refused(world, "ledger: nothing to withdraw"):
            world.market.withdraw(ETHER, world.stranger, sender=actor)
    world.audit_all(challenge, ada)
    world.settle(challenge)
    world.withdraw_all()
    assert world.escrowed() == 0
    assert world.holdings() == world.burned() + amount


def test_forced_tokens_belong_to_nobody_and_pay_for_nobody(world: World) -> None:
    token = world.token.address
    world.token.mint(world.market.address, 5)
    assert world.escrowed(token) == world.market.credited(token) == world.burned(token) == 0
    bend(world, FEE)
    with refused(world, "ledger: wrong amount arrived"):
        world.post(token=token)
    bend(world, NONE)
    cancelled(world)
    world.market.withdraw(token, world.poster, sender=world.poster)
    assert world.holdings(token) == 5


def test_plain_ether_is_refused(world: World) -> None:
    result = world.chain.env.execute_code(world.market.address, sender=world.stranger, value=1)
    assert result.is_error
    assert world.holdings() == 0
