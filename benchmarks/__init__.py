"""Side by side, interleaved, in CPU time: what things cost, as ratios."""
