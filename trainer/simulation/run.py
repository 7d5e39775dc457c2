"""A whole simulation in one call."""

from dataclasses import replace

import numpy as np

from trainer.simulation import economy, population
from trainer.simulation.report import Run
from trainer.simulation.settings import Settings


def simulate(settings: Settings, *, slots: int = 0, progress: economy.Progress | None = None) -> Run:
    """Draw the world of these settings and let all its hours pass.

    slots:    at least so many places for open challenges. It changes nothing, but worlds with as many rigs, challenges,
              hours and slots are one program, compiled once.
    progress: gets hours done and hours in all.
    """
    world = population.draw(settings)
    missing = max(slots - world.slots.shape[1], 0)
    world = replace(world, slots=np.pad(world.slots, ((0, 0), (0, missing)), constant_values=-1))
    state, hours = economy.run(world, progress=progress)
    return Run(settings=settings, world=world, state=state, hours=hours)
