"""Libraries that talk to a server in a sync way. Their servers are fakes, their calls are not."""

from __future__ import annotations

import contextlib
from importlib import import_module
from importlib.util import find_spec
from unittest import mock

from .case import blocks


def library(name):
    """The module, imported before any loop runs; None where it is not installed."""
    return import_module(name) if find_spec(name) else None


requests, urllib3, httpx2 = library("requests"), library("urllib3"), library("httpx2")
redis, psycopg, pymysql = library("redis"), library("psycopg"), library("pymysql")
pymongo, grpc = library("pymongo"), library("grpc")


@blocks("http", needs="requests")
async def requests_get(web):
    requests.get(web)  # <- here


@blocks("http", needs="requests")
async def requests_session(web):
    with requests.Session() as session:
        session.post(web, json={})  # <- here


@blocks("http", needs="requests")
async def requests_mocked():
    with mock.patch.object(requests.adapters.HTTPAdapter, "send") as send:
        send.return_value = _answer()
        requests.get("http://upstream/")  # <- here


def _answer():
    made = requests.Response()
    made.status_code, made.raw = 200, mock.MagicMock()
    made._content, made._content_consumed = b"", True
    return made


@blocks("http", needs="urllib3")
async def urllib3_request(web):
    urllib3.PoolManager().request("GET", web)  # <- here


@blocks("http", needs="urllib3")
async def urllib3_mocked():
    pool = urllib3.PoolManager()
    with mock.patch.object(urllib3.HTTPConnectionPool, "urlopen") as answer:
        answer.return_value.get_redirect_location.return_value = False
        pool.request("GET", "http://upstream/")  # <- here


@blocks("http", needs="urllib3")
async def urllib3_pool(web):
    pool = urllib3.connection_from_url(web)
    pool.request("GET", "/")  # <- here
    pool.close()


@blocks("http", needs="httpx2")
async def httpx2_get(web):
    httpx2.get(web, verify=False, trust_env=False)  # <- here


@blocks("database", needs="redis")
async def redis_ping(hang_up):
    client = redis.Redis(port=hang_up, retry=None)
    with contextlib.suppress(redis.ConnectionError):
        client.ping()  # <- here


@blocks("database", needs="redis")
async def redis_mocked():
    client = redis.Redis(connection_pool=mock.MagicMock(connection_kwargs={}))
    with contextlib.suppress(Exception):
        client.get("key")  # <- here


@blocks("database", needs="psycopg")
async def psycopg_connect(hang_up):
    with contextlib.suppress(psycopg.OperationalError):
        psycopg.connect(f"host=127.0.0.1 port={hang_up} sslmode=disable")  # <- here


@blocks("database", needs="pymysql")
async def pymysql_connect(hang_up):
    with contextlib.suppress(pymysql.OperationalError):
        pymysql.connect(host="127.0.0.1", port=hang_up)  # <- here


@blocks("database", needs="pymongo")
async def pymongo_command(mongo):
    with contextlib.suppress(pymongo.errors.PyMongoError):
        mongo.admin.command("ping")  # <- here


@blocks("network", needs="grpc")
async def grpc_call(channel):
    with contextlib.suppress(grpc.RpcError):
        channel.unary_unary("/shop.Shop/Get")(b"", timeout=0.12)  # <- here
