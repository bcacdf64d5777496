"""The interactive half: masks of scribbles, rounds of propagation, fusion (MiVOS section 3)."""
