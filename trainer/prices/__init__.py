"""What training is paid: rewards of settled challenges as prices of accuracy, of operations and of device time.

    declarations  reads what winners said their training took, and keeps it in a cache that can be thrown away
    work          the same before it is declared: the file that `trainer train` writes beside a model
    facts         one payment: what the market and the winner's declaration say of it
    weight        how much a payment counts: what it certainly cost, and what no single account may exceed
    robust        weighted quantiles, and how far lies and fakes can move them
    series        prices of each day or week
    report        all of that as JSON, written and read back
    picture       all of that as PNG

Needs neither titanoboa nor JAX.
"""
