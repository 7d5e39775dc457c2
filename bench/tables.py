"""Writes the README's tables from `results/*.json`, between `<!-- table NAME -->` and `<!-- end -->`."""

import json
import re
from pathlib import Path

HERE = Path(__file__).parent
README = HERE.parent / "README.md"


def gas_table() -> str:
    """Gas of inference, one line a network."""
    rows = json.loads((HERE / "results" / "gas.json").read_text())["rows"]
    head = (
        *("network", "bits (in/w/act)", "accuracy", "gas a sample", "gas per multiply-add"),
        *("all-in gas a sample", "samples a transaction", "1,024 samples at 1 gwei"),
    )
    cells = [
        (
            f"{row['net']} ({row['dataset']})",
            row["bits"],
            f"{100 * row['accuracy']:.1f} %",
            f"{row['gas_per_sample']:,}",
            f"{row['gas_per_mac']:.2f}",
            f"{row['all_in_gas_per_sample']:,}",
            str(row["samples_per_tx"]),
            f"{row['ether_per_1024_samples']:.4f} ether",
        )
        for row in rows
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in (head, ("---",) * len(head), *cells))


TABLES = {"gas": gas_table}


def filled(text: str) -> str:
    """The text with every table made anew."""
    for name, table in TABLES.items():
        pattern = re.compile(rf"(<!-- table {name} -->\n).*?(<!-- end -->)", re.S)
        assert pattern.search(text), f"README.md has no place for table {name}"
        text = pattern.sub(rf"\g<1>{table()}\n\g<2>", text)
    return text


if __name__ == "__main__":
    README.write_text(filled(README.read_text()))
