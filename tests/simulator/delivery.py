"""Updates on their way to the bot: by webhook, or waiting for getUpdates.

As tdlib/telegram-bot-api does it: the updates of one chat arrive in sequence, other chats do not wait for it; an answer other than 2xx
is tried again at once, then after doubling pauses up to a minute; Retry-After is honoured; nothing older than a day is kept.
"""
import asyncio
import collections
import json
import ssl
import time

import aiohttp

KEPT_S, CALLBACK_S, PAUSE_MOST_S, RETRY_AFTER_MOST_S, ANSWER_S = 24 * 3600, 150, 60, 3600, 60
KINDS = ("message", "edited_message", "channel_post", "edited_channel_post", "callback_query", "my_chat_member")


def key_of(update):
    """What is kept in sequence: the chat, or the person where there is none."""
    for kind, body in update.items():
        if not isinstance(body, dict):
            continue
        chat = body.get("chat") or (body.get("message") or {}).get("chat") or {}
        who = chat.get("id") or (body.get("from") or {}).get("id")
        if who:
            return who
    return 0


class Delivery:
    def __init__(self, call):
        self.call = call  # a method call in the answer's body goes here
        self.url, self.secret, self.certificate, self.allowed, self.connections = "", "", None, None, 40
        self.waiting = collections.defaultdict(collections.deque)
        self.workers, self.session, self.gate = {}, None, asyncio.Semaphore(40)
        # Milliseconds: a simulator that starts again must not repeat the ids a database has seen.
        self.next_id = int((time.time() - 1735689600) * 1000)
        self.last_error, self.last_error_at, self.delivered, self.attempts = "", None, 0, 0
        self.news = asyncio.Condition()

    def pending(self):
        return sum(len(q) for q in self.waiting.values())

    async def add(self, update):
        """Queues an update, numbering it if it has no number; its id."""
        if "update_id" not in update:
            update = {"update_id": self.next_id, **update}
            self.next_id += 1
        if not self.allowed or not any(k in KINDS for k in update) or any(k in self.allowed for k in update):
            self.waiting[key_of(update)].append((time.time(), update))
            if self.url:
                self.wake(key_of(update))
            async with self.news:
                self.news.notify_all()
        return update["update_id"]

    def wake(self, key):
        if key not in self.workers and self.waiting[key]:
            self.workers[key] = asyncio.ensure_future(self.work(key))

    # -- webhook

    async def set_webhook(self, url, secret, certificate, connections, allowed, drop):
        await self.end()
        self.url, self.secret, self.certificate = url, secret, certificate
        self.connections = connections or 40
        self.allowed = self.allowed if allowed is None else allowed
        self.last_error, self.last_error_at = "", None
        if drop:
            self.waiting.clear()
        if not url:
            return
        context = ssl.create_default_context(cadata=certificate) if certificate else ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self.gate = asyncio.Semaphore(self.connections)
        self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=self.connections, ssl=context if url.startswith("https") else None),
                                             timeout=aiohttp.ClientTimeout(total=ANSWER_S))
        for key in list(self.waiting):
            self.wake(key)

    async def end(self):
        for worker in list(self.workers.values()):
            worker.cancel()
        await asyncio.gather(*self.workers.values(), return_exceptions=True)
        self.workers.clear()
        if self.session:
            await self.session.close()
            self.session = None

    async def work(self, key):
        pause = 0
        try:
            while self.waiting[key]:
                since, update = self.waiting[key][0]
                if time.time() - since > (CALLBACK_S if "callback_query" in update else KEPT_S):
                    self.waiting[key].popleft()
                    continue
                async with self.gate:
                    done, after = await self.deliver(update)
                if done:
                    if self.waiting[key] and self.waiting[key][0][1] is update:
                        self.waiting[key].popleft()
                    self.delivered += 1
                    pause = 0
                    continue
                await asyncio.sleep(min(after, RETRY_AFTER_MOST_S) if after is not None else pause)
                pause = min(max(1, pause * 2), PAUSE_MOST_S)
        finally:
            self.workers.pop(key, None)

    async def deliver(self, update):
        """(accepted, seconds the bot asks to wait or None)."""
        headers = {"Content-Type": "application/json"}
        if self.secret:
            headers["X-Telegram-Bot-Api-Secret-Token"] = self.secret
        self.attempts += 1
        try:
            async with self.session.post(self.url, data=json.dumps(update), headers=headers, allow_redirects=False) as answer:
                body = await answer.text(errors="replace")
                if 200 <= answer.status < 300:
                    await self.inline(body)
                    return True, None
                self.fail(f"Wrong response from the webhook: {answer.status} {answer.reason}")
                after = answer.headers.get("Retry-After", "")
                return False, int(after) if after.isdigit() else None
        except (aiohttp.ClientError, OSError, asyncio.TimeoutError) as e:
            self.fail(f"Connection error: {e}" if str(e) else type(e).__name__)
            return False, None

    def fail(self, why):
        self.last_error, self.last_error_at = why, int(time.time())

    async def inline(self, body):
        try:
            asked = json.loads(body) if body.strip() else {}
        except ValueError:
            return
        method = asked.pop("method", "") if isinstance(asked, dict) else ""
        # Refused there by the server (TELEGRAM: ClientManager), and nobody learns of it.
        if method and not method.lower().startswith("get") and method.lower() not in ("setwebhook", "deletewebhook", "close", "logout"):
            await self.call(method, asked)

    def info(self):
        told = {"url": self.url, "has_custom_certificate": bool(self.certificate), "pending_update_count": self.pending(),
                "max_connections": self.connections}
        if self.last_error:
            told.update(last_error_date=self.last_error_at, last_error_message=self.last_error)
        if self.allowed:
            told["allowed_updates"] = self.allowed
        return told

    # -- long polling

    async def poll(self, offset, limit, timeout):
        if offset:
            for queue in self.waiting.values():
                while queue and queue[0][1]["update_id"] < offset:
                    queue.popleft()
        until = time.monotonic() + timeout
        while True:
            found = sorted((u for q in self.waiting.values() for _, u in q), key=lambda u: u["update_id"])[:limit]
            left = until - time.monotonic()
            if found or left <= 0:
                return found
            async with self.news:
                try:
                    await asyncio.wait_for(self.news.wait(), left)
                except asyncio.TimeoutError:
                    pass
