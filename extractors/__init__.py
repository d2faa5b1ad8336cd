"""Stages 1-5: scan files become pages, pages become text, text becomes field readings."""
