"""What the three Python families share: the features, told once against the port in `port`, and how they are run and reported.

Not a client: each family's `client.py` fills the port by its own library, and only by public calls of it.
"""
