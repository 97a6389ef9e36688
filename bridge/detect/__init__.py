"""The numpy/scipy core: align, prepare, operating state, baseline, scores, health, dates."""
