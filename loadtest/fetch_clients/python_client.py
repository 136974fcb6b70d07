"""python_client.py aiohttp|httpx PARALLEL CA_FILE: GETs the URLs of standard input, reads every body,
and ends with 1 if any answer was not 200."""

import asyncio
import ssl
import sys


async def work(urls, get):
    for url in urls:
        if await get(url) != 200:
            sys.exit(1)


async def with_aiohttp(urls, parallel, context):
    import aiohttp
    connector = aiohttp.TCPConnector(limit=parallel, ssl=context)
    async with aiohttp.ClientSession(connector=connector) as session:
        async def get(url):
            async with session.get(url) as response:
                await response.read()
                return response.status
        await asyncio.gather(*(work(urls, get) for _ in range(parallel)))


async def with_httpx(urls, parallel, context):
    import httpx
    limits = httpx.Limits(max_connections=parallel, max_keepalive_connections=parallel)
    verify = context if context is not None else True
    async with httpx.AsyncClient(limits=limits, verify=verify, http2=context is not None,
                                 timeout=60) as client:
        async def get(url):
            return (await client.get(url)).status_code
        await asyncio.gather(*(work(urls, get) for _ in range(parallel)))


def main():
    name, parallel, ca_file = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    context = ssl.create_default_context(cafile=ca_file) if ca_file else None
    urls = iter(sys.stdin.read().split())
    asyncio.run({"aiohttp": with_aiohttp, "httpx": with_httpx}[name](urls, parallel, context))


if __name__ == "__main__":
    main()
