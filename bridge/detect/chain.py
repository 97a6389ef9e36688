"""The detection chain: prepare, operating state, season, scores, calibrated alarm, for one group of assets.

How it is used (`n` assets of one group, `k` signals)::

    config = ChainConfig(signals=("load", "temp"), settings=("load",), every_s=300.0)
    state = chain.init(config, n_assets)
    out = chain.outputs(len(frame), config.k)
    chain.update(config, state, frame, out)        # frame: at most one row per asset
    state = chain.grow(config, state, n_more)      # new assets come last
    chain.rebaseline(config, state, slots)         # a repair, or a confirmed change
    kept = chain.snapshot(state); chain.restore(state, kept)   # bit by bit
    columns = chain.run_along(config, t_ns, value) # one asset, many rows: one ChainOut of all rows

`out.alarm` is the held alarm within the false-alarm budget (lasting change); `out.step` is held
while a level moves now (recipe for fast sampling); a back-test of fast plants shows both.
`out.adjusted` is what health and prognosis take in place of the readings: the operating state and
the hour are removed from it, and it is NaN wherever nothing can be said, so a machine that stands
still overnight is not "healed" in the morning. `out.learning` < 1: say nothing yet.
Histories of many assets go wide (one frame per row number, all assets in it): that is as fast as
one asset alone.
"""
