"""Browsers that watch the dashboard, without drawing: used by ofa-bench serve.

    load-dashboard.py PORT PATH --browsers 50 --streams 200 --slow 4 --seconds 20

Each browser loads the page at PATH every two seconds and follows its events meanwhile; further streams only follow the
events; slow ones ask for events and never read them. Prints one JSON object: seconds of each page, events and bytes
received, streams that ended.
"""

import argparse
import asyncio
import json
import time
from urllib.parse import quote


async def request(port, target):
    """Opens a connection and sends a request."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
    writer.write(f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n"
                 "Accept: text/html\r\n\r\n".encode())
    await writer.drain()
    return reader, writer


async def page(port, path, seconds):
    """Loads a page; returns whether it was there."""
    began = time.monotonic()
    reader, writer = await request(port, path)
    answer = await reader.read()
    writer.close()
    if not answer.startswith(b"HTTP/1.1 200"):
        return False
    seconds.append(time.monotonic() - began)
    return True


async def follow(port, path, until, counts):
    """Follows the events of a page until a moment."""
    reader, writer = await request(port, f"/events?page={quote(path, safe='')}&seen=0")
    try:
        while (left := until - time.monotonic()) > 0:
            part = await asyncio.wait_for(reader.read(1 << 16), left)
            if not part:
                counts["ended"] += 1
                return
            counts["bytes"] += len(part)
            counts["events"] += part.count(b"event: page")
    except asyncio.TimeoutError:
        pass
    finally:
        writer.close()


async def browse(port, path, until, delay, seconds, counts):
    """Loads a page now and then, and follows its events meanwhile."""
    await asyncio.sleep(delay)
    following = asyncio.create_task(follow(port, path, until, counts))
    while time.monotonic() < until:
        await page(port, path, seconds)
        await asyncio.sleep(2)
    await following


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("port", type=int)
    parser.add_argument("path")
    for name, default in (("browsers", 50), ("streams", 0), ("slow", 0), ("seconds", 20)):
        parser.add_argument("--" + name, type=int, default=default)
    options = parser.parse_args()
    while not await page(options.port, options.path, []):
        await asyncio.sleep(0.1)
    print("ready", flush=True)
    seconds, counts = [], {"events": 0, "bytes": 0, "ended": 0}
    until = time.monotonic() + options.seconds
    slow = [await request(options.port, f"/events?page={quote(options.path, safe='')}&seen=0")
            for _ in range(options.slow)]
    tasks = [browse(options.port, options.path, until, 2 * number / max(1, options.browsers), seconds, counts)
             for number in range(options.browsers)]
    tasks += [follow(options.port, options.path, until, counts) for _ in range(options.streams)]
    await asyncio.gather(*tasks)
    for _, writer in slow:
        writer.close()
    print(json.dumps({"page_seconds": sorted(seconds), **counts}))


asyncio.run(main())
