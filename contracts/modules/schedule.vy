# pragma version 0.4.3
"""
@title Schedule of a rising reward
@license MIT
@notice
    While seals are taken the reward rises in a straight line, second by second, from `opening` towards the whole of
    it: a Dutch auction turned around, in which trainers wait for their price. A seal fixes what it would win; the rest
    goes back to the poster when the seal wins. `opening == reward` is a flat reward.
"""


@internal
@pure
def _rebate(reward: uint256, opening: uint256, left: uint256, window: uint256) -> uint256:
    """
    @dev What a seal of this second leaves to the poster, rounded down.
    @param reward The whole reward, below 2**128.
    @param opening The reward in the first second, at most `reward`.
    @param left Seconds to the end of the commit window, 1 to `window`.
    @param window Length of the commit window in seconds, at most 365 days.
    @return `reward - opening` in the first second; nothing from the second on at which a unit is worth more than what
            is left of the window.
    """
    # below 2**128 * 2**25
    return (reward - opening) * left // window
