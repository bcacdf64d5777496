"""Training samples: data sets, augmentation of frames and masks, batches."""
