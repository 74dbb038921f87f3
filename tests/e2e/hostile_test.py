#!/usr/bin/env python3
"""hostile_test.py NIGHTMILL SOURCE: two hundred connections that mean no good - idle, dripping,
slow to read, flooding - and one honest client beside them, which must not feel them."""
import asyncio
import http.client
import multiprocessing
import socket
import time

import harness
from harness import wait

EACH = 50
ASKED = 400
PATIENCE_MS = 250
NOOP = {"dag_id": "a", "max_active_runs": 100, "tasks": [{"id": "x", "type": "noop"}]}


async def idle(port, _):
    """Says nothing until the server has enough of it."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.read()
    writer.close()


async def drip(port, _):
    """A header that never ends, byte by byte."""
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    for byte in b"GET /api/v2/dags HTTP/1.1\r\nHost: localhost\r\nX-Long: " + b"x" * 1_000:
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0.1)


async def read_slowly(port, token):
    """Asks for much, again and again, and takes nothing of it."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, ("127.0.0.1", port))
    ask = ("GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n"
           f"Authorization: Bearer {token}\r\n\r\n")
    await loop.sock_sendall(sock, ask.encode() * 20)
    await asyncio.sleep(60)


async def flood(port, _):
    """Wrong requests as fast as they are refused."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        writer.write(b"GET /api/v2/dags HTTP/1.1\r\nHost: localhost\r\n"
                     b"Authorization: Bearer nm_nobody\r\n\r\n")
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n")
                      if line.startswith(b"content-length:"))
        await reader.readexactly(length)


async def again(work, port, token):
    while True:
        try:
            await work(port, token)
        except (OSError, asyncio.IncompleteReadError):
            pass
        await asyncio.sleep(0.05)


async def attack(port, token):
    await asyncio.gather(*(again(work, port, token)
                           for work in (idle, drip, read_slowly, flood) for _ in range(EACH)))


def connections_to(port):
    """How many sockets of this machine are connected to the port."""
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [line.split()[1:4] for line in list(table)[1:]]
    return sum(local.endswith(f":{port:04X}") and state == "01" for local, _, state in rows)


class HostileTest(harness.DaemonTest):
    def setUp(self):
        super().setUp()
        d = self.daemon
        d.apply(NOOP)
        for _ in range(50):
            d.trigger("a")
        wait(lambda: d.run_count("a", "success") == 50, "the runs of the list")

    def honest(self):
        """Milliseconds of each of ASKED requests for the list of runs."""
        client = http.client.HTTPConnection("127.0.0.1", self.daemon.port, timeout=60)
        self.addCleanup(client.close)
        took = []
        for _ in range(ASKED):
            begun = time.monotonic()
            client.request("GET", "/api/v2/dags/a/dagRuns?limit=50",
                           headers={"Authorization": f"Bearer {self.daemon.token}"})
            answer = client.getresponse()
            answer.read()
            took.append((time.monotonic() - begun) * 1_000)
            self.assertEqual(answer.status, 200)
        return sorted(took)

    def test_two_hundred(self):
        d = self.daemon
        process = multiprocessing.get_context("fork").Process(
            target=lambda: asyncio.run(attack(d.port, d.token)), daemon=True)
        process.start()
        self.addCleanup(process.kill)
        wait(lambda: connections_to(d.port) >= 4 * EACH - 10, "the crowd")
        took = self.honest()
        self.assertLessEqual(took[int(0.99 * ASKED)], PATIENCE_MS, took[-20:])
        self.assertTrue(process.is_alive(), "the attackers gave up")


if __name__ == "__main__":
    harness.main()
