"""Stages 9-10: accepted documents become EMR rows, and a receipt says what was written."""
