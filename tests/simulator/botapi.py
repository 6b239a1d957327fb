"""The methods of the Bot API: each takes its parameters and gives the result, or raises Refused as the real server would."""
import json
import re
import time

from world import Refused, utf16

TEXT_MOST, CAPTION_MOST, DATA_MOST, ANSWER_MOST, COMMANDS_MOST = 4096, 1024, 64, 200, 100
CALLBACK_LIVES_S = 150
DOWNLOAD_MOST = 20 * 1024 * 1024
DELETABLE_S = 48 * 3600
ACTIONS = {"typing", "upload_photo", "record_video", "upload_video", "record_voice", "upload_voice", "upload_document", "choose_sticker",
           "find_location", "record_video_note", "upload_video_note"}
STYLES = {"danger", "success", "primary"}


def obj(value):
    """Parameters that are objects may come as JSON text, as forms send them."""
    if isinstance(value, str) and value.strip():
        try:
            return json.loads(value)
        except ValueError:
            raise Refused(400, "Bad Request: can't parse JSON object") from None
    return value or None


def truth(value):
    return value in (True, 1, "1", "true", "True")


def checked_text(text, most=TEXT_MOST, empty="Bad Request: message text is empty", long="Bad Request: message is too long"):
    text = "" if text is None else str(text)
    if not text.strip():
        raise Refused(400, empty)
    if utf16(text) > most:
        raise Refused(400, long)
    return text


def checked_entities(text, entities):
    units = text.encode("utf-16-le", "surrogatepass")
    for e in obj(entities) or []:
        if not isinstance(e, dict) or not isinstance(e.get("offset"), int) or not isinstance(e.get("length"), int):
            raise Refused(400, "Bad Request: can't parse entities: field \"offset\" must be of type Number")
        start, end = e["offset"], e["offset"] + e["length"]
        if start < 0 or e["length"] <= 0 or end * 2 > len(units):
            raise Refused(400, "Bad Request: can't parse entities: entity is out of range")
        for at in (start, end):
            # In the middle of a surrogate pair.
            if 0 < at * 2 < len(units) and 0xDC <= units[at * 2 + 1] <= 0xDF:
                raise Refused(400, "Bad Request: can't parse entities: entity begins or ends in the middle of a UTF-16 symbol")
    return obj(entities) or []


def checked_markup(markup):
    markup = obj(markup)
    if not markup:
        return None
    rows = markup.get("inline_keyboard")
    if rows is None:
        return markup
    for button in (b for row in rows for b in row):
        kinds = [k for k in ("url", "callback_data", "copy_text", "switch_inline_query", "web_app", "login_url") if k in button]
        if not button.get("text") or len(kinds) != 1:
            raise Refused(400, "Bad Request: can't parse inline keyboard button: Text buttons are unallowed in the inline keyboard")
        if "callback_data" in button and not 1 <= len(button["callback_data"].encode()) <= DATA_MOST:
            raise Refused(400, "Bad Request: BUTTON_DATA_INVALID")
        if "copy_text" in button and not 1 <= len(button["copy_text"].get("text", "")) <= 256:
            raise Refused(400, "Bad Request: BUTTON_COPY_TEXT_INVALID")
        if "style" in button and button["style"] not in STYLES:
            raise Refused(400, "Bad Request: invalid button style specified")
    return markup


class BotApi:
    def __init__(self, world, delivery):
        self.world, self.delivery = world, delivery
        self.methods = {name[3:].lower(): getattr(self, name) for name in dir(self) if name.startswith("on_")}

    # -- the bot and its webhook

    async def on_getMe(self, p):
        return self.world.bot

    async def on_setWebhook(self, p):
        url, secret = p.get("url") or "", p.get("secret_token") or ""
        if url:
            m = re.fullmatch(r"https://(\[[0-9a-f:]+\]|[^/:]+)(?::(\d+))?(/.*)?", url)
            if not m:
                raise Refused(400, "Bad Request: bad webhook: An HTTPS URL must be provided for webhook")
        if secret and not re.fullmatch(r"[A-Za-z0-9_-]{1,256}", secret):
            raise Refused(400, "Bad Request: secret token contains unallowed characters")
        certificate = p.get("certificate")
        if isinstance(certificate, str) and certificate:
            raise Refused(400, "Bad Request: the certificate must be uploaded as a file")
        connections = int(p.get("max_connections") or 40)
        if not 1 <= connections <= 100:
            raise Refused(400, "Bad Request: max_connections must be from 1 to 100")
        await self.delivery.set_webhook(url, secret, certificate["body"].decode() if certificate else None, connections,
                                        obj(p.get("allowed_updates")), truth(p.get("drop_pending_updates")))
        return True

    async def on_deleteWebhook(self, p):
        await self.delivery.set_webhook("", "", None, 40, None, truth(p.get("drop_pending_updates")))
        return True

    async def on_getWebhookInfo(self, p):
        return self.delivery.info()

    async def on_getUpdates(self, p):
        if self.delivery.url:
            raise Refused(409, "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the webhook first")
        if "allowed_updates" in p:
            self.delivery.allowed = obj(p["allowed_updates"])
        return await self.delivery.poll(int(p.get("offset") or 0), min(max(int(p.get("limit") or 100), 1), 100), min(int(p.get("timeout") or 0), 50))

    # -- messages

    def target(self, p):
        """What every message has in common: chat, topic, what it answers, buttons."""
        chat = self.world.writable(p.get("chat_id"))
        more = {}
        thread = self.world.topic(chat, p.get("message_thread_id"))
        if thread:
            more.update(message_thread_id=thread, is_topic_message=True)
        reply = obj(p.get("reply_parameters")) or {}
        to = reply.get("message_id") or p.get("reply_to_message_id")
        if to:
            original = self.world.find(chat["id"], to)
            if original:
                more["reply_to_message"] = {"message_id": original["message_id"], "chat": chat, "date": original["date"]}
            elif not (truth(reply.get("allow_sending_without_reply")) or truth(p.get("allow_sending_without_reply"))):
                raise Refused(400, "Bad Request: message to be replied not found")
        markup = checked_markup(p.get("reply_markup"))
        if markup:
            more["reply_markup"] = markup
        return chat, more

    async def on_sendMessage(self, p):
        chat, more = self.target(p)
        text = checked_text(p.get("text"))
        entities = checked_entities(text, p.get("entities"))
        if entities:
            more["entities"] = entities
        return self.world.posted(chat, text=text, **more)

    async def on_sendDocument(self, p):
        chat, more = self.target(p)
        document = p.get("document")
        if not isinstance(document, dict) or not document["body"]:
            raise Refused(400, "Bad Request: file must be non-empty" if isinstance(document, dict) else "Bad Request: there is no document in the request")
        caption = p.get("caption") or ""
        if utf16(caption) > CAPTION_MOST:
            raise Refused(400, "Bad Request: message caption is too long")
        more["document"] = self.world.held(document["name"], document["type"], document["body"])
        if caption:
            more["caption"] = caption
        return self.world.posted(chat, **more)

    async def on_editMessageText(self, p):
        chat = self.world.writable(p.get("chat_id"))
        message = self.world.find(chat["id"], p.get("message_id") or 0)
        if not message or message.get("from") != self.world.bot:
            raise Refused(400, "Bad Request: message to edit not found" if not message else "Bad Request: message can't be edited")
        text = checked_text(p.get("text"))
        new = {"text": text, "entities": checked_entities(text, p.get("entities")), "reply_markup": checked_markup(p.get("reply_markup"))}
        if all((message.get(k) or None) == (v or None) for k, v in new.items()):
            raise Refused(400, "Bad Request: message is not modified: specified new message content and reply markup are exactly the same as a "
                               "current content and reply markup of the message")
        for key, value in new.items():
            if value:
                message[key] = value
            else:
                message.pop(key, None)
        message["edit_date"] = int(time.time())
        self.world.version += 1
        return message

    async def on_editMessageReplyMarkup(self, p):
        chat = self.world.writable(p.get("chat_id"))
        message = self.world.find(chat["id"], p.get("message_id") or 0)
        if not message or message.get("from") != self.world.bot:
            raise Refused(400, "Bad Request: message to edit not found")
        markup = checked_markup(p.get("reply_markup"))
        if message.get("reply_markup") == markup:
            raise Refused(400, "Bad Request: message is not modified")
        message["reply_markup"] = markup
        self.world.version += 1
        return message

    async def on_deleteMessage(self, p):
        """What is younger than 48 hours: the bot's own anywhere, people's in private chats, and in groups where it has the right to."""
        chat = self.world.writable(p.get("chat_id"))
        message = self.world.find(chat["id"], p.get("message_id") or 0)
        if not message:
            raise Refused(400, "Bad Request: message to delete not found")
        own, private = message.get("from") == self.world.bot, chat["type"] == "private"
        if not (own or private or self.world.groups[chat["id"]].get("bot_deletes")) or time.time() - message["date"] > DELETABLE_S:
            raise Refused(400, "Bad Request: message can't be deleted for everyone")
        self.world.messages[chat["id"]].remove(message)
        self.world.version += 1
        return True

    async def on_sendChatAction(self, p):
        chat = self.world.writable(p.get("chat_id"))
        if p.get("action") not in ACTIONS:
            raise Refused(400, "Bad Request: wrong parameter action in request")
        self.world.topic(chat, p.get("message_thread_id"))
        return True

    async def on_answerCallbackQuery(self, p):
        if len(p.get("text") or "") > ANSWER_MOST:
            raise Refused(400, "Bad Request: MESSAGE_TOO_LONG")
        query = self.world.callbacks.get(str(p.get("callback_query_id")))
        if not query or time.time() - query["at"] > CALLBACK_LIVES_S:
            raise Refused(400, "Bad Request: query is too old and response timeout expired or query ID is invalid")
        query["answer"] = {"text": p.get("text") or "", "show_alert": truth(p.get("show_alert"))}
        self.world.version += 1
        return True

    # -- menus and files

    async def on_setMyCommands(self, p):
        # An empty list takes the menu away, as deleteMyCommands does.
        commands = [] if p.get("commands") in ([], "[]") else obj(p.get("commands"))
        if not isinstance(commands, list) or len(commands) > COMMANDS_MOST:
            raise Refused(400, "Bad Request: BOT_COMMANDS_TOO_MUCH" if commands else "Bad Request: can't parse commands")
        for c in commands:
            if not re.fullmatch(r"[a-z0-9_]{1,32}", c.get("command", "")):
                raise Refused(400, "Bad Request: BOT_COMMAND_INVALID")
            if not 1 <= len(c.get("description", "")) <= 256:
                raise Refused(400, "Bad Request: BOT_COMMAND_DESCRIPTION_INVALID")
        self.world.menus[self.scope(p)] = commands
        self.world.version += 1
        return True

    async def on_getMyCommands(self, p):
        return self.world.menus.get(self.scope(p), [])

    async def on_deleteMyCommands(self, p):
        self.world.menus.pop(self.scope(p), None)
        return True

    @staticmethod
    def scope(p):
        return json.dumps(obj(p.get("scope")) or {"type": "default"}, sort_keys=True) + (p.get("language_code") or "")

    async def on_getChat(self, p):
        return self.world.writable(p.get("chat_id"))

    async def on_getFile(self, p):
        held = self.world.files.get(p.get("file_id"))
        if not held:
            raise Refused(400, "Bad Request: invalid file_id")
        if len(held["body"]) > DOWNLOAD_MOST:
            raise Refused(400, "Bad Request: file is too big")
        return {"file_id": p["file_id"], "file_unique_id": p["file_id"][:8], "file_size": len(held["body"]), "file_path": f"documents/{p['file_id']}"}
