# pragma version 0.4.3
"""
@title Forces ether on an address that does not want it
"""


@deploy
@payable
def __init__(victim: address):
    selfdestruct(victim)
