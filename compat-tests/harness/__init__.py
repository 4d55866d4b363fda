"""The parts of the compatibility tests that are the same for every client: brokers, builds, the results table."""
