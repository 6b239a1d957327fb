"""Somebody without the right, and a stranger, run nothing: by every kind of update there is."""
import pytest

STRANGER, FEW, DISABLED, MEMBER = 9100, 4002, 4003, 4001


def kinds(stack, who, line):
    """Every way in which words of a person arrive; name and the update's body."""
    person = {"id": who, "is_bot": False, "first_name": "X"}
    private = stack.message(who, line)
    group = {**private, "chat": {"id": -2001, "type": "group", "title": "Ops"}}
    topic = {**private, "chat": {"id": -1000000002002, "type": "supergroup", "title": "Incidents", "is_forum": True}, "message_thread_id": 5, "is_topic_message": True}
    channel = {k: v for k, v in {**private, "chat": {"id": -1000000002003, "type": "channel", "title": "C"}}.items() if k != "from"}
    caption = {**{k: v for k, v in private.items() if k not in ("text", "entities")}, "caption": line, "photo": [], "caption_entities": private["entities"]}
    return [
        ("private", {"message": private}), ("group", {"message": group}), ("topic", {"message": topic}), ("caption", {"message": caption}),
        ("edited", {"edited_message": {**private, "edit_date": 1}}), ("channel", {"channel_post": channel}),
        ("edited channel", {"edited_channel_post": {**channel, "edit_date": 1}}), ("signed channel", {"channel_post": {**channel, "from": person}}),
        ("anonymous admin", {"message": {**group, "from": {"id": 1087968824, "is_bot": True, "first_name": "Group"}, "sender_chat": group["chat"]}}),
        ("as a channel", {"message": {**group, "from": {"id": 136817688, "is_bot": True, "first_name": "Channel"}, "sender_chat": channel["chat"]}}),
        ("callback", {"callback_query": {"id": "77", "from": person, "message": private, "chat_instance": "1", "data": line}}),
        ("inline", {"inline_query": {"id": "1", "from": person, "query": line, "offset": ""}}),
        ("chosen inline", {"chosen_inline_result": {"result_id": "1", "from": person, "query": line}}),
        ("business", {"business_message": {**private, "business_connection_id": "b"}}), ("guest", {"guest_message": private}),
        ("member", {"my_chat_member": {"chat": group["chat"], "from": person, "date": 1, "old_chat_member": {}, "new_chat_member": {}}}),
        ("reaction", {"message_reaction": {"chat": private["chat"], "message_id": 1, "user": person, "date": 1}}),
        ("join", {"chat_join_request": {"chat": group["chat"], "from": person, "user_chat_id": who, "date": 1, "bio": line}}),
        ("shipping", {"shipping_query": {"id": "1", "from": person, "invoice_payload": line}}), ("poll answer", {"poll_answer": {"poll_id": "1", "user": person}}),
        ("unknown", {"something_new": private}),
    ]


@pytest.mark.parametrize("who", [STRANGER, FEW, DISABLED], ids=["stranger", "without the right", "disabled"])
def test_nobody_without_the_right_runs_anything(stack, who):
    before = stack.count("task_history")
    for name, body in kinds(stack, who, "/mark broken-in"):
        assert stack.post({"update_id": stack.number(), **body})[0] == 200, name
    assert stack.settled()
    assert stack.marked() == [] and stack.count("task_history") == before
    if who == STRANGER:
        assert len([c for c in stack.sim.calls("sendMessage") if str(c["params"].get("chat_id")) == str(STRANGER)]) <= 1


def test_who_may_runs_by_messages_only(stack):
    wanted = {"private", "group", "topic", "caption"}
    for name, body in kinds(stack, MEMBER, "/mark NAME"):
        text = str(body).replace("NAME", name.replace(" ", "-"))
        assert stack.post({"update_id": stack.number(), **eval(text)})[0] == 200, name  # pylint: disable=eval-used
    assert stack.settled()
    assert set(stack.marked()) == wanted and len(stack.marked()) == len(wanted)


def test_another_persons_words_are_not_ones_own(stack):
    """Forwarded or sent through another bot, a command line is somebody else's text."""
    origin = {"type": "user", "date": 1, "sender_user": {"id": STRANGER, "is_bot": False, "first_name": "S"}}
    for more in ({"forward_origin": origin}, {"via_bot": {"id": 5, "is_bot": True, "first_name": "B"}}):
        stack.post({"update_id": stack.number(), "message": stack.message(MEMBER, "/mark borrowed", **more)})
    assert stack.settled()
    assert stack.marked() == []


def test_rights_taken_away_count_at_once(stack):
    stack.sim.say(MEMBER, "/mark first 0")
    assert stack.wait(lambda: stack.marked() == ["first"])
    stack.sql("DELETE FROM user_role WHERE user_id = (SELECT id FROM app_user WHERE login = 'ada')")
    try:
        stack.sim.say(MEMBER, "/mark second 0")
        assert stack.settled()
        assert stack.marked() == ["first"]
    finally:
        stack.sql("INSERT INTO user_role SELECT u.id, r.id FROM app_user u, role r WHERE u.login = 'ada' AND r.name = 'crew'")
