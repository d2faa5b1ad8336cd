"""In the bench, bench.stub: a batch of which every step does nothing."""
