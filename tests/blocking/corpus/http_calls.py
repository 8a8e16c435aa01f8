"""http: sync clients of the standard library and of httpx; they are reported even if mocked."""

from __future__ import annotations

import http.client
import urllib.request
import xmlrpc.client
from unittest import mock
from urllib.parse import urlsplit

import httpx

from .case import blocks

answers = httpx.MockTransport(lambda request: httpx.Response(200, text="hello"))


@blocks("http")
async def urlopen(web):
    urllib.request.urlopen(web).read()  # <- here


@blocks("http")
async def urlretrieve(web, folder):
    urllib.request.urlretrieve(web, folder / "page")  # <- here


@blocks("http")
async def an_opener(web):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    opener.open(web).close()  # <- here


@blocks("http")
async def a_connection(web):
    made = http.client.HTTPConnection(urlsplit(web).netloc)
    made.request("GET", "/")  # <- here
    answer = made.getresponse()  # <- here
    answer.read()  # <- here
    made.close()


@blocks("http")
async def xml_rpc(web):
    proxy = xmlrpc.client.ServerProxy(web)
    try:
        proxy.add(1, 2)  # <- here
    except Exception:
        pass
    finally:
        proxy("close")()


@blocks("http")
async def httpx_get(web):
    httpx.get(web, verify=False, trust_env=False)  # <- here


@blocks("http")
async def httpx_client(web):
    with httpx.Client(verify=False, trust_env=False) as client:
        client.get(web)  # <- here


@blocks("http")
async def httpx_client_mocked():
    with httpx.Client(transport=answers) as client:
        client.post("http://upstream/", json={})  # <- here


@blocks("http")
async def httpx_client_made_elsewhere(mocked_client):
    mocked_client.get("http://upstream/")  # <- here


@blocks("http")
async def httpx_request_sent(mocked_client):
    request = mocked_client.build_request("GET", "http://upstream/")
    mocked_client.send(request)  # <- here


@blocks("http")
async def httpx_stream(mocked_client):
    with mocked_client.stream("GET", "http://upstream/") as response:  # <- here
        response.read()


@blocks("http")
async def httpx_mocked_by_a_patch():
    answer = httpx.Response(200, request=httpx.Request("GET", "http://upstream/"))
    with mock.patch.object(httpx.HTTPTransport, "handle_request", return_value=answer):
        httpx.get("http://upstream/", verify=False, trust_env=False)  # <- here


@blocks("http")
async def urlopen_mocked():
    class Answer(urllib.request.BaseHandler):
        def http_open(self, request):
            return mock.MagicMock(code=200, msg="OK")

    opener = urllib.request.build_opener(Answer)
    opener.open("http://upstream/")  # <- here


@blocks("http")
async def a_session_in_a_helper(mocked_client):
    class Prices:
        def of(self, item):
            return mocked_client.get(f"http://upstream/{item}").text  # <- here

    Prices().of("mug")
