"""The compatibility program of confluent-kafka; `compat.program` says what it runs and prints."""

from client import Client
from compat.program import main

main(Client)
