"""A server on a real loopback socket, in a thread, that speaks enough RESP to be Redis."""

import asyncio
import threading
from contextlib import contextmanager

REPLIES = {b"HELLO": b"-ERR unknown command 'HELLO'\r\n", b"PING": b"+PONG\r\n"}


class Peer:
    """`commands` are those that arrived, without the driver's own on connect."""

    def __init__(self):
        self.values = {}
        self.commands = []
        self.connections = 0
        self.port = 0

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while True:
                head = await reader.readline()
                if not head:
                    return
                parts = []
                for _ in range(int(head[1:])):
                    size = int((await reader.readline())[1:])
                    parts.append((await reader.readexactly(size + 2))[:-2])
                writer.write(self.reply(parts[0].upper(), parts[1:]))
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    def reply(self, command, arguments):
        if command in (b"CLIENT", b"HELLO"):
            return b"+OK\r\n" if command == b"CLIENT" else REPLIES[command]
        self.commands.append(command.decode())
        if command == b"SET":
            self.values[arguments[0]] = arguments[1]
            return b"+OK\r\n"
        if command in (b"INCR", b"INCRBY"):
            self.values[arguments[0]] = b"%d" % (int(self.values.get(arguments[0], b"0")) + 1)
            return b":" + self.values[arguments[0]] + b"\r\n"
        if command == b"GET":
            value = self.values.get(arguments[0])
            return b"$-1\r\n" if value is None else b"$%d\r\n%s\r\n" % (len(value), value)
        return REPLIES.get(command, b"+OK\r\n")


@contextmanager
def running():
    """Such a server, in a loop and a thread of its own."""
    peer, ready = Peer(), threading.Event()
    loop = asyncio.new_event_loop()

    async def main():
        peer.stop = asyncio.Event()
        server = await asyncio.start_server(peer.serve, "127.0.0.1", 0)
        peer.port = server.sockets[0].getsockname()[1]
        ready.set()
        await peer.stop.wait()
        server.close()
        serving = asyncio.all_tasks() - {asyncio.current_task()}
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)
        for _ in range(3):  # a transport is closed by a callback
            await asyncio.sleep(0)

    thread = threading.Thread(target=lambda: loop.run_until_complete(main()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield peer
    finally:
        loop.call_soon_threadsafe(peer.stop.set)
        thread.join(10)
        loop.close()
