"""Logging handlers that use the network: the line that logs is the one that blocks."""

from __future__ import annotations

import logging
import logging.handlers
import queue
import time

from .case import blocks, harmless

logger = logging.getLogger("corpus")
logger.propagate = False


class attached:
    """A handler on the logger, for a block."""

    def __init__(self, handler):
        self.handler = handler

    def __enter__(self):
        logger.addHandler(self.handler)
        return logger

    def __exit__(self, *exc):
        logger.removeHandler(self.handler)
        self.handler.close()


@blocks("network")
async def socket_handler(port):
    with attached(logging.handlers.SocketHandler("127.0.0.1", port)):
        logger.warning("hello")  # <- here


@harmless
async def datagram_handler(datagrams):
    with attached(logging.handlers.DatagramHandler(*datagrams[1])):
        logger.warning("hello")


@blocks("network")
async def smtp_handler(hang_up):
    handler = logging.handlers.SMTPHandler(("127.0.0.1", hang_up), "me@x", ["you@x"], "hello")
    handler.handleError = lambda record: None
    with attached(handler):
        logger.error("hello")  # <- here


@blocks("http")
async def http_handler(web):
    with attached(logging.handlers.HTTPHandler(web.split("/")[2], "/log")):
        logger.warning("hello")  # <- here


@blocks("sleep")
async def a_handler_of_ones_own():
    class Slow(logging.Handler):
        def emit(self, record):
            time.sleep(0.001)  # <- here

    with attached(Slow()):
        logger.warning("hello")


@harmless
async def file_handler(text):
    with attached(logging.FileHandler(text)):
        logger.warning("hello")


@harmless
async def rotating_file_handler(text):
    with attached(logging.handlers.RotatingFileHandler(text, maxBytes=10, backupCount=1)):
        for _ in range(3):
            logger.warning("hello")


@harmless
async def queue_handler():
    with attached(logging.handlers.QueueHandler(queue.SimpleQueue())):
        logger.warning("hello")


@harmless
async def memory_handler():
    with attached(logging.handlers.MemoryHandler(10)):
        logger.warning("hello")


@harmless
async def stream_handler():
    with attached(logging.StreamHandler()):
        logger.warning("hello")


@harmless
async def an_exception_with_its_traceback(text):
    with attached(logging.FileHandler(text)):
        try:
            raise ValueError("x")
        except ValueError:
            logger.exception("hello")
