"""cpu: nothing waits, and yet nobody else gets a turn. Judged by what it took alone."""

from __future__ import annotations

import asyncio
import copy
import hashlib
import json
import pickle
import random
import re
import time
import zlib
from decimal import Decimal, getcontext
from fractions import Fraction

from .case import blocks


def burn(seconds=0.09):
    """Compute for so long, as the thread's own clock has it."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:  # <- here
        pass


NUMBERS = [random.Random(1).random() for _ in range(250_000)]
ROWS = [{"name": "mug", "price": number} for number in NUMBERS[:60_000]]


@blocks("cpu")
async def a_loop():
    end = time.thread_time() + 0.09
    while time.thread_time() < end:  # <- here
        pass


@blocks("cpu")
async def a_loop_in_a_helper():
    def total(rows):
        result = Fraction()
        for row in rows:
            result += Fraction(row["price"])  # <- here
        return result

    total(ROWS[:50_000])


@blocks("cpu")
async def a_password():
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 300_000)  # <- here


@blocks("cpu")
async def a_password_by_memory():
    hashlib.scrypt(b"password", salt=b"salt", n=2**15, r=8, p=1, maxmem=2**26)  # <- here


@blocks("cpu")
async def json_text():
    json.dumps(ROWS)  # <- here


@blocks("cpu")
async def a_regular_expression():
    re.match("(a+)+$", "a" * 22 + "b")  # <- here


@blocks("cpu")
async def sorting():
    sorted(NUMBERS, key=lambda number: -number)  # <- here


@blocks("cpu")
async def compressing():
    zlib.compress(random.Random(1).randbytes(3_000_000), 9)  # <- here


@blocks("cpu")
async def copying():
    copy.deepcopy(ROWS[:25_000])  # <- here


@blocks("cpu")
async def big_numbers():
    getcontext().prec = 20_000
    Decimal(2).sqrt().exp()  # <- here


@blocks("cpu")
async def pickling():
    for _ in range(12):
        pickle.loads(pickle.dumps(ROWS))  # <- here


@blocks("cpu")
async def between_two_awaits():
    await asyncio.sleep(0) if False else None
    pow(3, 700_001, 10**4000 + 7)  # <- here


@blocks("cpu")
async def a_comprehension():
    sum(number * number for _ in range(5) for number in NUMBERS)  # <- here
