"""Stage 8: what the machine doubts becomes a records officer's task, and her decision becomes a value."""
