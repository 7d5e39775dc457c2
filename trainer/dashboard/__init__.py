"""Pages of one market, to look at: challenges, phases on a time line, claims, audits, payouts, and prices so far.

All of it comes from the market's logs, through the index; no key is needed, and nothing can be changed. `watch` follows
the chain in a thread, `reading` reads for a request, `life`, `money`, `prices` work out what is shown, `timeline` and
`charts` draw it, `app` serves it, `guard` says who may ask what.
"""
