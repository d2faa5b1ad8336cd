"""Stage 7: values become issues and a verdict; the batch is judged once as a whole. Nothing here parses or loads."""
