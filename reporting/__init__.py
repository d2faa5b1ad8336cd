"""What happened and how far it is: counts and ids read from the ledger; never page content."""
