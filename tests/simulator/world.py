"""Who and what there is: the bot, people, chats and what was written in them."""
import base64
import collections
import json
import secrets
import time


class Refused(Exception):
    """What the Bot API answers instead of a result."""

    def __init__(self, code, description, **parameters):
        super().__init__(description)
        self.code, self.description, self.parameters = code, description, parameters


def utf16(text):
    """Length as Telegram counts it: UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def command_entities(text):
    """A command at the start of a text is marked by Telegram's own clients."""
    word = text.split(maxsplit=1)[0] if text.strip() else ""
    if text.startswith("/") and len(word) > 1:
        return [{"type": "bot_command", "offset": 0, "length": utf16(word)}]
    return []


class World:
    def __init__(self, path, bot_username):
        with open(path, encoding="utf-8") as f:
            told = json.load(f)
        self.bot = {"id": told["bot"]["id"], "is_bot": True, "first_name": told["bot"]["first_name"],
                    "username": bot_username or told["bot"]["username"], "can_join_groups": True, "can_read_all_group_messages": False,
                    "supports_inline_queries": False}
        self.people = {p["id"]: p for p in told["people"]}
        self.groups = {c["id"]: c for c in told["chats"]}
        self.forget()

    def forget(self):
        """Back to a fresh day: nobody wrote, nothing blocked."""
        self.messages = collections.defaultdict(list)
        self.next_message = collections.Counter()
        self.started, self.blocked, self.migrated, self.callbacks, self.files, self.menus = set(), set(), {}, {}, {}, {}
        self.version = 0

    # -- people and chats

    def person(self, who):
        """People who are not in the world file come to be when they first write: a test may have fifty."""
        who = int(who)
        if who not in self.people:
            self.people[who] = {"id": who, "first_name": f"Person {who}", "language_code": "en"}
        return {"is_bot": False, **self.people[who]}

    def chat(self, chat_id):
        chat_id = int(chat_id)
        if chat_id in self.groups:
            return {k: v for k, v in self.groups[chat_id].items() if k not in ("members", "topics", "bot_deletes")}
        if chat_id < 0:
            raise Refused(400, "Bad Request: chat not found")
        p = self.person(chat_id)
        return {"id": chat_id, "type": "private", **{k: p[k] for k in ("first_name", "last_name", "username") if k in p}}

    def writable(self, chat_id):
        """The chat, if the bot may write there; what Telegram says if not."""
        try:
            chat_id = int(chat_id)
        except (TypeError, ValueError):
            raise Refused(400, "Bad Request: chat_id is empty" if chat_id in (None, "") else "Bad Request: chat not found") from None
        if chat_id in self.migrated:
            raise Refused(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=self.migrated[chat_id])
        if chat_id in self.blocked:
            raise Refused(403, "Forbidden: bot was blocked by the user" if chat_id > 0 else "Forbidden: bot was kicked from the group chat")
        if chat_id > 0 and chat_id not in self.started:
            known = chat_id in self.people
            raise Refused(*((403, "Forbidden: bot can't initiate conversation with a user") if known else (400, "Bad Request: chat not found")))
        return self.chat(chat_id)

    def topic(self, chat, thread):
        if thread in (None, "", 0, "0"):
            return None
        thread = int(thread)
        topics = self.groups.get(chat["id"], {}).get("topics", [])
        # The General topic is written to without a thread id (tdlib/telegram-bot-api#798).
        if thread == 1 or thread not in topics:
            raise Refused(400, "Bad Request: message thread not found")
        return thread

    # -- messages

    def number(self, chat_id):
        self.next_message[chat_id] += 1
        return self.next_message[chat_id]

    def keep(self, message):
        self.messages[message["chat"]["id"]].append(message)
        self.version += 1
        return message

    def find(self, chat_id, message_id):
        return next((m for m in self.messages[int(chat_id)] if m["message_id"] == int(message_id)), None)

    def held(self, name, kind, body):
        """A file as Telegram keeps it: what a message has of it."""
        file_id = secrets.token_urlsafe(16)
        self.files[file_id] = {"name": name, "type": kind, "body": body}
        return {"file_id": file_id, "file_unique_id": file_id[:8], "file_name": name, "mime_type": kind, "file_size": len(body)}

    def uploaded(self, told):
        """A document that a person sends: {"name", "base64"}, or "size" for so many bytes; "claims": another size than it has, 0: none."""
        body = base64.b64decode(told["base64"]) if "base64" in told else bytes(range(256)) * (int(told["size"]) // 256 + 1)
        document = self.held(told["name"], told.get("type", "application/octet-stream"), body[:int(told["size"])] if "size" in told else body)
        if "claims" in told:
            document["file_size"] = told["claims"]
        return {k: v for k, v in document.items() if v not in ("", 0)}

    def said(self, who, chat_id, text, topic=None, entities=None, caption=False, document=None, reply_to=None):
        """Somebody wrote something, or sent a document."""
        person = self.person(who)
        chat_id = int(chat_id if chat_id is not None else who)
        if chat_id > 0:
            self.started.add(chat_id)
            self.blocked.discard(chat_id)
        message = {"message_id": self.number(chat_id), "date": int(time.time()), "chat": self.chat(chat_id)}
        if message["chat"]["type"] == "channel":
            message["sender_chat"] = message["chat"]
        else:
            message["from"] = person
        if topic:
            message.update(message_thread_id=int(topic), is_topic_message=True)
        if reply_to:
            message["reply_to_message"] = {k: v for k, v in (self.find(chat_id, reply_to) or {}).items() if k != "reply_to_message"}
        if document:
            message["document"], caption = self.uploaded(document), True
        entities = command_entities(text) if entities is None else entities
        if text or not document:
            message["caption" if caption else "text"] = text
        if entities:
            message["caption_entities" if caption else "entities"] = entities
        return self.keep(message)

    def edited(self, who, chat_id, message_id, text):
        message = self.find(chat_id if chat_id is not None else who, message_id)
        if not message:
            raise Refused(400, "there is no such message")
        message.update(text=text, edit_date=int(time.time()), entities=command_entities(text))
        self.version += 1
        return message

    def posted(self, chat, **content):
        """The bot wrote something."""
        return self.keep({"message_id": self.number(chat["id"]), "from": self.bot, "chat": chat, "date": int(time.time()), **content})
