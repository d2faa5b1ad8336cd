"""Training: make the line recogniser of stage 3 (generator, trainer, exporter, model card); never needed to run sohoa."""
