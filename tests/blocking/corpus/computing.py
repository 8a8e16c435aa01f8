"""cpu: nothing waits, but no other task can run. Judged by CPU time alone."""

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
from fractions import Fraction

from .case import blocks


@blocks("cpu")
async def a_loop():
    end = time.thread_time() + 0.09
    while time.thread_time() < end:  # <- here
        pass


@blocks("cpu")
async def a_loop_in_a_helper(prices):
    def total(numbers):
        result = Fraction()
        for number in numbers:
            result += Fraction(round(number * 100), 100)  # <- here
        return result

    total(prices[:90_000])


@blocks("cpu")
async def a_password():
    hashlib.pbkdf2_hmac("sha256", b"password", b"salt", 600_000)  # <- here


@blocks("cpu")
async def a_password_by_memory():
    hashlib.scrypt(b"password", salt=b"salt", n=2**16, r=8, p=1, maxmem=2**27)  # <- here


@blocks("cpu")
async def json_text(prices):
    json.dumps([{"name": "mug", "price": price} for price in prices])  # <- here


@blocks("cpu")
async def a_regular_expression():
    [re.match("(a+)+$", "a" * n + "b") for n in (18, 19, 20, 21)]  # <- here


@blocks("cpu")
async def sorting(prices):
    sorted(prices[::2], key=lambda price: (-price, str(price)))  # <- here


@blocks("cpu")
async def compressing():
    zlib.compress(random.Random(1).randbytes(4_000_000), 9)  # <- here


@blocks("cpu")
async def copying(prices):
    copy.deepcopy([[price] for price in prices[:75_000]])  # <- here


@blocks("cpu")
async def big_numbers():
    pow(3, 10**1500, 10**1500 + 7)  # <- here


@blocks("cpu")
async def pickling(prices):
    for _ in range(20):
        pickle.loads(pickle.dumps(prices))  # <- here


@blocks("cpu")
async def a_comprehension(prices):
    sum(price * number for number in range(14) for price in prices)  # <- here


@blocks("cpu")
async def a_search(prices):
    assert [price for price in prices[:5000] if price in prices[:5000]]  # <- here


@blocks("cpu", only="asyncio")
async def in_a_callback():
    def work():
        end = time.thread_time() + 0.09
        while time.thread_time() < end:  # <- here
            pass

    asyncio.get_running_loop().call_soon(work)
    await asyncio.sleep(0)
