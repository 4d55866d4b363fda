"""The compatibility program of kafka-python; `compat.program` says what it runs and prints."""

from client import Client
from compat.program import main

main(Client)
