"""Training: make the line recogniser of stage 3: generator, trainer, exporter, card; never needed to run sohoa."""
