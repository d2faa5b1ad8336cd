"""Stage 8, review.screens: one module per screen; each enters its routes, with the right each needs, in `routes`."""
