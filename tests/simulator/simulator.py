#!/usr/bin/python3
"""A Telegram to try TeleOps with: the Bot API, webhook delivery, and a chat page in the browser. See README beside this file."""
import argparse
import asyncio
import collections
import json
import os
import signal
import sys
import time

from aiohttp import web

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from botapi import BotApi  # noqa: E402
from delivery import Delivery  # noqa: E402
from limits import Drop, Faults, Limits  # noqa: E402
from world import Refused, World  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
CALLS_KEPT = 200000
BODY_MOST = 50 * 1024 * 1024


async def parameters(request):
    """From the query, a form, an uploaded form with files, or JSON: the Bot API takes them all."""
    found = dict(request.query)
    if request.content_type == "application/json":
        try:
            body = json.loads(await request.read() or b"{}")
        except ValueError:
            raise Refused(400, "Bad Request: can't parse JSON object") from None
        found.update(body if isinstance(body, dict) else {})
    elif request.content_type == "multipart/form-data":
        async for part in await request.multipart():
            if part.filename is None:
                found[part.name] = await part.text()
            else:
                found[part.name] = {"name": part.filename, "type": part.headers.get("Content-Type", ""), "body": bytes(await part.read())}
    elif request.can_read_body:
        found.update(await request.post())
    return found


def shown(params):
    """Parameters for the record of calls: files by their size."""
    return {k: ({"name": v["name"], "size": len(v["body"])} if isinstance(v, dict) and isinstance(v.get("body"), bytes) else v)
            for k, v in params.items()}


class Simulator:
    def __init__(self, args):
        self.args = args
        self.world = World(args.world, args.username)
        self.delivery = Delivery(self.inline_call)
        self.api = BotApi(self.world, self.delivery)
        self.limits, self.faults = Limits(args.limits == "on"), Faults()
        self.calls, self.called = collections.deque(maxlen=CALLS_KEPT), 0
        self.stopping = asyncio.Event()

    # -- the Bot API

    async def perform(self, method, params):
        name = method.lower()
        if name not in self.api.methods:
            raise Refused(404, "Not Found: method not found")
        chat_id = params.get("chat_id")
        await self.faults.strike(name, chat_id)
        self.limits.check(name, chat_id)
        try:
            result = await self.api.methods[name](params)
        except (TypeError, ValueError, KeyError, AttributeError) as e:
            raise Refused(400, f"Bad Request: {type(e).__name__}: {e}") from None
        await self.faults.strike(name, chat_id, after=True)
        return result

    async def recorded(self, method, params):
        """(HTTP status, answer); every call is kept for the tests."""
        self.called += 1
        call = {"n": self.called, "t": time.time(), "method": method, "params": shown(params), "status": None}
        self.calls.append(call)
        try:
            result = await self.perform(method, params)
            call["status"], answer = 200, {"ok": True, "result": result}
        except Refused as e:
            call["status"], answer = e.code, {"ok": False, "error_code": e.code, "description": e.description}
            if e.parameters:
                answer["parameters"] = e.parameters
        except Drop:
            call["status"] = 0
            raise
        call["done"] = time.time()
        return call["status"], answer

    async def inline_call(self, method, params):
        try:
            await self.recorded(method, params)
        except Drop:
            pass

    async def bot(self, request):
        if request.match_info["token"] != self.args.token:
            return web.json_response({"ok": False, "error_code": 401, "description": "Unauthorized"}, status=401)
        try:
            status, answer = await self.recorded(request.match_info["method"], await parameters(request))
        except Refused as e:
            status, answer = e.code, {"ok": False, "error_code": e.code, "description": e.description}
        except Drop:
            request.transport.abort()
            return web.Response()
        return web.json_response(answer, status=status)

    async def download(self, request):
        """What getFile leads to; faults strike it as the method "file"."""
        if request.match_info["token"] != self.args.token:
            raise web.HTTPNotFound()
        self.calls.append({"n": self.called, "t": time.time(), "method": "file", "params": {"file": request.match_info["file"]}, "status": 200})
        try:
            await self.faults.strike("file", None)
        except Drop:
            request.transport.abort()
            return web.Response()
        except Refused as e:
            return web.Response(status=e.code, text="refused")
        return await self.file(request)

    async def file(self, request):
        held = self.world.files.get(request.match_info["file"])
        if not held:
            raise web.HTTPNotFound()
        return web.Response(body=held["body"], content_type="application/octet-stream",
                            headers={"Content-Disposition": "attachment", "X-Content-Type-Options": "nosniff"})

    # -- what people do

    async def message(self, request):
        told = await request.json()
        where = told.get("chat", told.get("from"))
        if told.get("edit"):
            message, kind = self.world.edited(told["from"], where, told["edit"], told["text"]), "edited_message"
        else:
            message = self.world.said(told["from"], where, told.get("text", ""), told.get("topic"), told.get("entities"), told.get("caption", False),
                                      told.get("document"), told.get("reply_to"))
            kind = "message"
        if message["chat"]["type"] == "channel":
            kind = kind.replace("message", "channel_post")
        return {"update_id": await self.delivery.add({kind: dict(message)}), "message_id": message["message_id"]}

    async def press(self, request):
        told = await request.json()
        chat_id = told.get("chat", told["from"])
        message = self.world.find(chat_id, told["message_id"])
        query_id = str(len(self.world.callbacks) + 1) + str(int(time.time()))
        query = {"id": query_id, "from": self.world.person(told["from"]), "message": message, "chat_instance": str(chat_id), "data": told["data"]}
        self.world.callbacks[query_id] = {"at": time.time(), "answer": None}
        return {"update_id": await self.delivery.add({"callback_query": query}), "callback_query_id": query_id}

    async def update(self, request):
        """Any update as it stands."""
        return {"update_id": await self.delivery.add(await request.json())}

    async def block(self, request):
        told = await request.json()
        (self.world.blocked.add if told.get("on", True) else self.world.blocked.discard)(int(told["chat"]))
        return {}

    async def start(self, request):
        """As if these people had written before."""
        self.world.started.update(int(p) for p in (await request.json())["people"])
        return {}

    async def migrate(self, request):
        """A group becomes a supergroup under a new id."""
        told = await request.json()
        old, new = int(told["chat"]), int(told["to"])
        self.world.groups[new] = {**self.world.groups[old], "id": new, "type": "supergroup"}
        self.world.migrated[old] = new
        return {}

    # -- what tests ask

    async def see_calls(self, request):
        since, method = int(request.query.get("since", 0)), request.query.get("method", "").lower()
        return {"calls": [c for c in self.calls if c["n"] > since and method in ("", c["method"].lower())]}

    async def see_chat(self, request):
        return {"messages": self.world.messages[int(request.match_info["chat"])]}

    async def see_world(self, request):
        chats = [self.world.chat(c) for c in self.world.groups]
        return {"bot": self.world.bot, "people": list(self.world.people.values()), "version": self.world.version, "menus": self.world.menus,
                "chats": [{**c, **{k: self.world.groups[c["id"]].get(k, []) for k in ("members", "topics")}} for c in chats]}

    async def see_callback(self, request):
        return self.world.callbacks.get(request.match_info["id"]) or {}

    async def health(self, request):
        d = self.delivery
        return {"ok": True, "pending": d.pending(), "delivered": d.delivered, "attempts": d.attempts, "webhook": d.url, "last_error": d.last_error,
                "calls": self.called, "held": self.limits.held, "faults": len(self.faults.rules)}

    async def fault(self, request):
        self.faults.add(await request.json())
        return {}

    async def no_faults(self, request):
        self.faults.rules.clear()
        return {}

    async def set_limits(self, request):
        self.limits = Limits(bool((await request.json())["on"]))
        return {}

    async def reset(self, request):
        self.world.forget()
        self.calls.clear()
        self.faults.rules.clear()
        self.delivery.waiting.clear()
        self.limits = Limits(self.args.limits == "on")
        return {}

    async def events(self, request):
        """The chat page listens here for news."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        try:
            await response.prepare(request)
        except ConnectionError:
            return response
        seen, quiet = None, 0
        while not self.stopping.is_set():
            if seen != self.world.version or quiet > 100:
                seen, quiet = self.world.version, 0
                try:
                    await response.write(f"data: {seen}\n\n".encode())
                except (ConnectionError, RuntimeError):
                    break
            quiet += 1
            await asyncio.sleep(0.1)
        return response

    # -- the server

    @staticmethod
    def as_json(handler):
        async def handle(request):
            try:
                return web.json_response(await handler(request))
            except Refused as e:
                return web.json_response({"error": e.description}, status=e.code)
            except (KeyError, ValueError, TypeError) as e:
                return web.json_response({"error": f"{type(e).__name__}: {e}"}, status=400)
        return handle

    def page(self, name, kind):
        async def handle(request):
            with open(os.path.join(HERE, "page", name), encoding="utf-8") as f:
                return web.Response(text=f.read(), content_type=kind, headers={"Cache-Control": "no-store"})
        return handle

    def app(self):
        app = web.Application(client_max_size=BODY_MOST)
        app.router.add_route("*", "/bot{token}/{method}", self.bot)
        app.router.add_get("/file/bot{token}/documents/{file}", self.download)
        app.router.add_get("/sim/file/{file}", self.file)
        app.router.add_get("/sim/events", self.events)
        for path, handler in (("message", self.message), ("press", self.press), ("update", self.update), ("block", self.block), ("fault", self.fault),
                              ("limits", self.set_limits), ("reset", self.reset), ("migrate", self.migrate), ("start", self.start)):
            app.router.add_post(f"/sim/{path}", self.as_json(handler))
        for path, handler in (("calls", self.see_calls), ("chat/{chat}", self.see_chat), ("world", self.see_world), ("health", self.health),
                              ("callback/{id}", self.see_callback)):
            app.router.add_get(f"/sim/{path}", self.as_json(handler))
        app.router.add_delete("/sim/faults", self.as_json(self.no_faults))
        for path, name, kind in (("/", "chat.html", "text/html"), ("/chat.js", "chat.js", "text/javascript"), ("/chat.css", "chat.css", "text/css")):
            app.router.add_get(path, self.page(name, kind))
        return app

    async def run(self):
        runner = web.AppRunner(self.app(), access_log=None)
        await runner.setup()
        host, _, port = self.args.listen.rpartition(":")
        site = web.TCPSite(runner, host, int(port), backlog=1024, shutdown_timeout=1)
        await site.start()
        address = f"http://{host}:{site._server.sockets[0].getsockname()[1]}"  # pylint: disable=protected-access
        if self.args.port_file:
            with open(self.args.port_file + ".new", "w", encoding="utf-8") as f:
                f.write(address + "\n")
            os.replace(self.args.port_file + ".new", self.args.port_file)
        print(f"simulator: chat page and Bot API on {address}", file=sys.stderr, flush=True)
        for name in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(name, self.stopping.set)
        await self.stopping.wait()
        await self.delivery.end()
        await runner.cleanup()


def arguments():
    p = argparse.ArgumentParser(description="Telegram's Bot API, simulated, with a chat page. Not for use beyond this machine: anybody who reaches "
                                            "it can speak as anybody.")
    p.add_argument("--listen", default="127.0.0.1:8081", metavar="HOST:PORT", help="port 0 takes a free one (default: %(default)s)")
    p.add_argument("--token", default=os.environ.get("TELEOPS_BOT_TOKEN"), help="the bot's token (default: TELEOPS_BOT_TOKEN; keeps it out of argv)")
    p.add_argument("--username", help="the bot's user name")
    p.add_argument("--limits", choices=("on", "off"), default="off", help="refuse with 429 what goes beyond Telegram's rates (default: %(default)s)")
    p.add_argument("--world", default=os.path.join(HERE, "world.json"), help="people and chats (default: world.json beside this program)")
    p.add_argument("--port-file", help="write the address here once it listens")
    args = p.parse_args()
    if not args.token:
        p.error("no token: give --token or TELEOPS_BOT_TOKEN")
    return args


async def main():
    await Simulator(arguments()).run()


if __name__ == "__main__":
    asyncio.run(main())
