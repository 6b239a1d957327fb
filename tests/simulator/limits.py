"""Telegram's limits, and faults on demand."""
import asyncio
import collections
import time

from world import Refused

ALL, CHAT, GROUP = (30, 30, 1.0), (1, 20, 1.0), (20, 20, 60.0)  # how many, in a burst, every so many seconds
COUNTED = {"sendmessage", "senddocument", "editmessagetext", "editmessagereplymarkup"}


class Bucket:
    def __init__(self, rate):
        self.count, self.burst, self.every = rate
        self.left, self.at = float(self.burst), time.monotonic()

    def take(self):
        """0, or the seconds until one more is allowed."""
        now = time.monotonic()
        self.left = min(self.burst, self.left + (now - self.at) * self.count / self.every)
        self.at = now
        # A little more than the rule: real clocks differ by what the way costs.
        if self.left >= 0.5:
            self.left -= 1
            return 0
        return (1 - self.left) * self.every / self.count


class Limits:
    def __init__(self, on):
        self.on = on
        self.all, self.chats = Bucket(ALL), {}
        self.held = 0

    def check(self, method, chat_id):
        if not self.on or method not in COUNTED:
            return
        chat = self.chats.setdefault(chat_id, Bucket(GROUP if int(chat_id or 0) < 0 else CHAT))
        wait = chat.take() or self.all.take()
        if wait:
            self.held += 1
            raise Refused(429, f"Too Many Requests: retry after {int(wait) + 1}", retry_after=int(wait) + 1)


class Drop(Exception):
    """End the connection without an answer."""


KINDS = {
    "429": lambda f: Refused(429, f"Too Many Requests: retry after {f.get('retry_after', 1)}", retry_after=f.get("retry_after", 1)),
    "409": lambda f: Refused(409, "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"),
    "401": lambda f: Refused(401, "Unauthorized"),
    "500": lambda f: Refused(500, "Internal Server Error"),
    "502": lambda f: Refused(502, "Bad Gateway"),
    "403": lambda f: Refused(403, f.get("description", "Forbidden: bot was blocked by the user")),
    "400": lambda f: Refused(400, f.get("description", "Bad Request: refused on demand")),
    "reset": lambda f: Drop(),
    "hang": None,
    "slow": None,
}


class Faults:
    """Rules, first come first served: {"kind", "method"?, "chat_id"?, "count"?, "seconds"?, "retry_after"?, "after"?}.

    A rule with "after" lets the call do its work and spoils the answer only: what a lost connection looks like from outside.
    """

    def __init__(self):
        self.rules = collections.deque()

    def add(self, rule):
        if rule.get("kind") not in KINDS:
            raise Refused(400, f"kind must be one of {', '.join(KINDS)}")
        self.rules.append({"count": 1, **rule})

    def take(self, method, chat_id, after):
        for rule in self.rules:
            if rule.get("method", method).lower() == method and str(rule.get("chat_id", chat_id)) == str(chat_id) and bool(rule.get("after")) == after:
                rule["count"] -= 1
                if rule["count"] <= 0:
                    self.rules.remove(rule)
                return rule
        return None

    async def strike(self, method, chat_id, after=False):
        rule = self.take(method, chat_id, after)
        if not rule:
            return
        if rule["kind"] in ("hang", "slow"):
            await asyncio.sleep(rule.get("seconds", 3600 if rule["kind"] == "hang" else 1))
            if rule["kind"] == "hang":
                raise Drop()
            return
        raise KINDS[rule["kind"]](rule)
