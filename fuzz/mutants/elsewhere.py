"""pytest plugin: reads the contracts from the folder in ASSAY_CONTRACTS (`pytest -p fuzz.mutants.elsewhere`)."""

import os
from pathlib import Path

import trainer.chain

trainer.chain.CONTRACTS = Path(os.environ["ASSAY_CONTRACTS"])
