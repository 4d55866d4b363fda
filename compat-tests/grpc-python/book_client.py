"""What a client generated from the book's file does: it knows no topics, and works on the default one."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "book"))

import grpc
from google.rpc import error_details_pb2, status_pb2  # comes with googleapis-common-protos
from log.v1 import log_pb2, log_pb2_grpc

from report import ADDRESSES, PATIENCE, run, same


def stub(address):
    return log_pb2_grpc.LogStub(grpc.insecure_channel(address))


def leader():
    """As the book's Picker: who leads takes the writes."""
    servers = stub(ADDRESSES[0]).GetServers(log_pb2.GetServersRequest(), timeout=PATIENCE).servers
    return stub(next(server.rpc_addr for server in servers if server.is_leader))


def record(value):
    return log_pb2.ProduceRequest(record=log_pb2.Record(value=value))


def produce_consume():
    log = leader()
    for value in (b"hello", b"", bytes(range(256))):
        offset = log.Produce(record(value), timeout=PATIENCE).offset
        read = log.Consume(log_pb2.ConsumeRequest(offset=offset), timeout=PATIENCE).record
        same((value, offset, 0), (read.value, read.offset, read.type), "what was read")


def out_of_range():
    log = leader()
    end = log.Produce(record(b"x"), timeout=PATIENCE).offset + 1
    try:
        log.Consume(log_pb2.ConsumeRequest(offset=end), timeout=PATIENCE)
    except grpc.RpcError as error:
        same(grpc.StatusCode.OUT_OF_RANGE, error.code(), "code")
        status = status_pb2.Status.FromString(dict(error.trailing_metadata())["grpc-status-details-bin"])
        kinds = [detail.type_url.rpartition(".")[2] for detail in status.details]
        same(True, "LocalizedMessage" in kinds and "ErrorInfo" in kinds, f"details {kinds}")
        info = error_details_pb2.ErrorInfo()
        next(detail for detail in status.details if detail.Is(info.DESCRIPTOR)).Unpack(info)
        same((str(end), str(end)), (info.metadata["asked"], info.metadata["end"]), "offsets")
    else:
        raise AssertionError("an offset behind the end was read")


def streams():
    log = leader()
    values = [b"first message", b"second message", b"third message"]
    offsets = [ack.offset for ack in log.ProduceStream(iter([record(value) for value in values]), timeout=PATIENCE)]
    same(list(range(offsets[0], offsets[0] + 3)), offsets, "offsets")
    reading = log.ConsumeStream(log_pb2.ConsumeRequest(offset=offsets[0]), timeout=PATIENCE)
    same(values, [next(reading).record.value for _ in values], "values")
    log.Produce(record(b"later"), timeout=PATIENCE)
    same(b"later", next(reading).record.value, "what came while it read")
    reading.cancel()


def servers():
    for address in ADDRESSES:
        found = stub(address).GetServers(log_pb2.GetServersRequest(), timeout=PATIENCE).servers
        same(sorted(ADDRESSES), sorted(server.rpc_addr for server in found), "addresses")
        same(1, sum(server.is_leader for server in found), "leaders")
        same([str(node + 1) for node in range(len(ADDRESSES))], sorted(server.id for server in found), "ids")


run({
    "grpc_book_produce_consume": produce_consume, "grpc_book_out_of_range": out_of_range, "grpc_book_streams": streams,
    "grpc_book_servers": servers,
})
