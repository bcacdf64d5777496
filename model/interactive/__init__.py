"""Interactive segmentation: scribbles to masks, rounds of propagation, fusion (MiVOS section 3)."""
