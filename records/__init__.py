"""The domain: one frozen type per stage of a page's way from scan to EMR row. Pure; imports nothing of the project."""
