"""Which slot of its plan a device is in, now that some challenges have ended before their slots did."""

from collections.abc import Set

from trainer.allocation.plan import DevicePlan, Slot


def current(plan: DevicePlan | None, now: float, ended: Set[int]) -> Slot | None:
    """The slot to do at a moment in unix seconds; None where that is nothing.

    The time of a challenge that has ended goes to what the device does next, if that follows without a gap.
    """
    if plan is None:
        return None
    reached = False
    end = 0
    for slot in plan.slots:
        if slot.end <= now:
            continue
        if not reached:
            if slot.start > now:
                return None
            reached = True
        elif slot.start != end:
            return None
        if slot.challenge is None or slot.challenge not in ended:
            return slot
        end = slot.end
    return None


def ahead(plan: DevicePlan, now: float, ended: Set[int]) -> bool:
    """Whether there is any slot left to do."""
    return any(slot.end > now and (slot.challenge is None or slot.challenge not in ended) for slot in plan.slots)
