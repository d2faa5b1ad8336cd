"""Where the stages meet: settings, database, store, ledger, steps and the command line. Keep this module light."""
