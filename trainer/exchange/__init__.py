"""Data packages between people: a poster publishes the training groups, trainers fetch them by their root.

    publish.py   writes what may be seen to a folder, or to an IPFS node
    fetch.py     takes groups from the first source that has them right, keeps what has arrived
    store.py     a download under way, on disk
    sources.py   what a source is, and a folder as one
    web.py       http(s), an IPFS gateway included
    ipfs.py      an IPFS node's RPC API, and which sources `ipfs://` means

A published package is the export of `trainer.package` under its root's 64 hexadecimal digits:

    <root>/manifest.json   <root>/leaves.bin   <root>/training.json   <root>/training.bin

Nothing that a source says is believed. The leaves must have the root that the caller asks for, every group its leaf.
What the root does not fix (number of samples and bits of a feature, held-out groups) is compared with what the caller
knows from the chain, where he says it; names of classes and ranges of columns are the poster's word.
"""
