"""The economy again, in loops over Python's own integers, rule by rule as `trainer.simulation.economy` states them.

Nothing of it is vectorised or shared with the package but the world that was drawn.
"""

from dataclasses import dataclass, field

from trainer.simulation.population import ENTRANTS, World

LATE = 1 << 60


@dataclass
class Entrant:
    rig: int
    place: int
    done: int
    seals_at: int
    state: str = "works"
    spent: int = 0
    trained: int = 0

    @property
    def order(self) -> tuple[int, int]:
        return self.seals_at, self.place


@dataclass
class Rig:
    wealth: int = 0
    by_training: int = 0
    mined: int = 0
    trained: int = 0
    off: int = 0
    busy: int = 0


@dataclass
class Economy:
    world: World
    difficulty: int = 0
    rigs: list[Rig] = field(default_factory=list)
    entrants: dict[int, list[Entrant]] = field(default_factory=dict)
    floors: dict[int, tuple[int, int]] = field(default_factory=dict)
    ledger: dict[str, int] = field(default_factory=dict)
    outcomes: dict[int, dict[str, int]] = field(default_factory=dict)
    noted: list[tuple[int, int, int, int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        world = self.world
        self.hash, self.speed = world.rigs.hash.tolist(), world.rigs.speed.tolist()
        self.difficulty = sum(self.hash)
        self.rigs = [Rig() for _ in self.hash]
        names = ("issued", "dust", "posters", "electricity", "fees", "gas", "bonds", "interest")
        self.ledger = dict.fromkeys(names, 0)
        for now in range(len(world.subsidy)):
            self.hour(now)

    def term(self, name: str, number: int) -> int:
        return int(getattr(self.world.challenges, name)[number])

    def standing(self, number: int, at: int) -> int:
        return self.term("reward", number) - self.term("rise", number) * (self.term("closes", number) - at)

    def seal_cost(self, number: int, at: int) -> int:
        locked = self.term("interest", number) * (self.term("closes", number) - at)
        return self.term("seal_cost", number) + self.term("hold", number) + locked

    def chance(self, number: int, others: int) -> int:
        table = self.world.challenges.shared if self.term("best", number) else self.world.challenges.first
        return int(table[number, min(others, ENTRANTS)])

    def expected(self, number: int, at: int, others: int) -> int:
        return self.chance(number, others) * (self.standing(number, at) - self.world.win_gas) // 2**20

    def hour(self, now: int) -> None:
        world = self.world
        opens, closes = world.challenges.opens.tolist(), world.challenges.closes.tolist()
        for number, closed in enumerate(closes):
            if closed == now:
                self.close(number)
        rate = int(world.subsidy[now]) * 2**20 // self.difficulty
        swing = int(world.swing[now])
        income = [rate * own // 2**20 for own in self.hash]
        mine = [int(power) * swing // 2**20 for power in world.rigs.mine_power]
        train = [int(power) * swing // 2**20 for power in world.rigs.train_power]
        profit = [a - b for a, b in zip(income, mine, strict=True)]
        cost = [max(a, 0) + b for a, b in zip(profit, train, strict=True)]
        running = [number for number, opened in enumerate(opens) if opened <= now < closes[number]]
        decisions = [
            (entrant, self.judge(number, entrant, cost, now)) for number in running for entrant in self.at_work(number)
        ]
        for entrant, (number, value) in decisions:
            if value < 0:
                entrant.state = "stopped"
                if entrant.done > now:
                    self.rigs[entrant.rig].busy = now
            elif entrant.seals_at == now:
                self.seal(number, entrant, now)
        self.enter(running, cost, now)

        mining = [number for number, rig in enumerate(self.rigs) if rig.busy <= now and profit[number] > 0]
        hash_rate = sum(self.hash[number] for number in mining)
        self.ledger["issued"] += hash_rate * rate // 2**20
        self.ledger["dust"] += hash_rate * rate // 2**20 - sum(income[number] for number in mining)
        training = 0
        for number, rig in enumerate(self.rigs):
            power = 0
            if rig.busy > now:
                power, training = train[number], training + 1
                rig.trained += 1
                rig.by_training -= power
            elif number in mining:
                power = mine[number]
                rig.mined += 1
                rig.wealth += income[number]
            else:
                rig.off += 1
            rig.wealth -= power
            self.ledger["electricity"] += power
        for number in running:
            for entrant in self.at_work(number):
                if entrant.done > now:
                    entrant.spent += cost[entrant.rig]
                    entrant.trained += 1
        watched = [
            own * 1000 // self.speed[number] for number, own in enumerate(cost) if world.rigs.watches[number] > 0
        ]
        self.noted.append((self.difficulty, hash_rate, len(mining), training, min(watched, default=1 << 42)))
        moved = (hash_rate - self.difficulty) // world.lag
        self.difficulty = max(self.difficulty + moved, max(self.hash) // 16 + 1)

    def at_work(self, number: int) -> list[Entrant]:
        return [entrant for entrant in self.entrants.get(number, []) if entrant.state == "works"]

    def active(self, number: int) -> list[Entrant]:
        return [entrant for entrant in self.entrants.get(number, []) if entrant.state in ("works", "sealed")]

    def judge(self, number: int, entrant: Entrant, cost: list[int], now: int) -> tuple[int, int]:
        others = [one for one in self.active(number) if one is not entrant]
        if not self.term("best", number):
            others = [one for one in others if one.order < entrant.order]
        at = entrant.seals_at
        ahead = max(entrant.done - now, 0) * cost[entrant.rig]
        return number, self.expected(number, at, len(others)) - self.seal_cost(number, at) - ahead

    def pay(self, rig: int, amount: int) -> None:
        self.rigs[rig].wealth += amount
        self.rigs[rig].by_training += amount

    def seal(self, number: int, entrant: Entrant, now: int) -> None:
        entrant.state = "sealed"
        fee, gas = self.term("fee", number), self.world.seal_gas
        forgone = self.term("interest", number) * (self.term("closes", number) - now) + self.term("hold", number)
        self.ledger["fees"] += fee
        self.ledger["gas"] += gas
        self.ledger["interest"] += forgone
        self.pay(entrant.rig, -fee - gas - forgone)

    def enter(self, running: list[int], cost: list[int], now: int) -> None:
        found = []
        for number in running:
            entrants = self.entrants.setdefault(number, [])
            chosen = self.bid(number, cost, now)
            if chosen is not None and len(entrants) < ENTRANTS:
                found.append((number, *chosen))
        slots = self.world.slots[now].tolist()
        # the dearest wish of each rig, of equals that of the first slot
        found.sort(key=lambda wish: (-wish[2], slots.index(wish[0])))
        chosen_rigs: set[int] = set()
        for number, rig, _, done in found:
            if rig in chosen_rigs:
                continue
            chosen_rigs.add(rig)
            waits = self.term("best", number) and self.term("waits", number)
            at = self.term("closes", number) - 1 if waits else done
            entrants = self.entrants[number]
            entrants.append(Entrant(rig, len(entrants), done, at))
            self.rigs[rig].busy = done

    def bid(self, number: int, cost: list[int], now: int) -> tuple[int, int, int] | None:
        """The rig that begins to train, what it expects to gain, and when its model is done."""
        last = self.term("closes", number) - 1
        best, waits = self.term("best", number), self.term("waits", number)
        active = self.active(number)
        earliest = min((one.seals_at for one in active), default=LATE)
        been = {one.rig for one in self.entrants[number]}
        able = []
        for rig, own in enumerate(cost):
            done = now - (-self.term("work", number) // self.speed[rig])
            free = self.rigs[rig].busy <= now and self.world.rigs.watches[rig] > 0
            if not free or done > last or rig in been:
                continue
            at = last if best and waits else done
            spends = (done - now) * own + self.seal_cost(number, at)
            others = len(active) if best or at >= earliest else 0
            gain, before = (self.expected(number, hour, others) for hour in (at, at - 1))
            able.append((rig, done, spends, gain, at, before))
        if able and number not in self.floors:
            spent = sorted(one[2] for one in able)
            self.floors[number] = (spent[0], spent[1] if len(spent) > 1 else 1 << 42)
        if best:
            wishes = [(gain - spends, -rig, done) for rig, done, spends, gain, _, _ in able if gain >= spends]
            return (-max(wishes)[1], max(wishes)[0], max(wishes)[2]) if wishes else None
        contends = [one for one in able if one[4] < earliest or one[3] >= one[2]]
        if waits:
            keys = sorted((max(spends, before), rig) for rig, _, spends, _, _, before in contends)
        else:
            keys = sorted((done, rig) for rig, done, spends, gain, _, _ in contends if gain >= spends)
        if not keys:
            return None
        rig, done, spends, gain, *_ = next(one for one in contends if one[0] == keys[0][1])
        second = keys[1][0] if len(keys) > 1 else 1 << 42
        ready = not waits or gain >= second or done >= min(last, earliest - 1)
        return (rig, gain - spends, done) if ready and gain >= spends else None

    def close(self, number: int) -> None:
        table = self.world.challenges
        entrants = self.entrants.get(number, [])
        sealed = [one for one in entrants if one.state == "sealed"]
        claims = [one for one in sealed if table.reaches[number, one.place]]
        if self.term("best", number):
            claims.sort(key=lambda one: (-int(table.score[number, one.place]), one.place))
        else:
            claims.sort(key=lambda one: one.order)
        winner, lost = None, 0
        for claim in claims:
            if not table.fails[number, claim.place]:
                winner = claim
                break
            lost += self.term("bond", number)
            self.pay(claim.rig, -self.term("bond", number))
        self.ledger["bonds"] += lost
        paid = 0
        if winner is not None:
            paid = self.standing(number, winner.seals_at)
            self.pay(winner.rig, paid - self.world.win_gas)
            self.ledger["posters"] += paid
            self.ledger["gas"] += self.world.win_gas
        least, second = self.floors.get(number, (-1, -1))
        self.outcomes[number] = {
            "winner": winner.rig if winner else -1,
            "paid": paid,
            "sealed": winner.seals_at if winner else -1,
            "entrants": len(entrants),
            "seals": len(sealed),
            "stopped": sum(one.state == "stopped" for one in entrants),
            "spent": sum(one.spent for one in entrants),
            "hours": sum(one.trained for one in entrants),
            "winner_spent": winner.spent if winner else -1,
            "winner_hours": winner.trained if winner else -1,
            "least": least,
            "second": second,
            "score": int(table.score[number, winner.place]) if winner else -1,
            "bonds": lost,
        }
