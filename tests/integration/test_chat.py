"""What a person in a chat sees."""


def answer(stack, who, text, **more):
    """The bot's next message in that person's private chat."""
    before = len(stack.sim.answers(who))
    stack.sim.say(who, text, **more)
    answers = stack.sim.wait_answers(who, before + 1, 15)
    assert len(answers) > before, f"no answer to {text}"
    return answers[before]


def test_a_short_success_answers_with_its_output_alone(stack):
    assert answer(stack, 4001, "/echo hello") == "hello"
    assert answer(stack, 4001, "/echo   spaces   stay \"as they\" are") == "spaces   stay \"as they\" are"
    assert answer(stack, 4001, "/echo@teleops_bot to us") == "to us"
    assert answer(stack, 4001, "/echo \u05e9\u05dc\u05d5\u05dd \U0001f600 \u202eabc") == "\u05e9\u05dc\u05d5\u05dd \U0001f600 \u202eabc"
    assert answer(stack, 4001, "/ECHO Case of the name does not matter") == "Case of the name does not matter"


def test_no_shell_sees_it(stack):
    for evil in ("$(id)", "`id`", "; id", "| id", "&& id", "-n", "--help", "> /tmp/x", "\\$HOME", "*"):
        got = answer(stack, 4001, "/echo x" + evil)
        assert got == "x" + evil


def test_an_option_stays_an_argument_of_the_program(stack):
    # echo itself takes -n; what matters is that it arrives as one argument and nothing else happens.
    assert "uid=" not in answer(stack, 4001, "/echo ; id")


def test_builtins(stack):
    assert "/help" in answer(stack, 4001, "/start")
    helped = answer(stack, 4001, "/help")
    assert "/echo" in helped and "/typed" in helped
    bob = answer(stack, 4002, "/help")
    assert "/deploy" in bob and "/echo" not in bob
    assert "count" in answer(stack, 4001, "/help typed") and "from 1 to 9" in answer(stack, 4001, "/help typed")
    assert "/echo" not in answer(stack, 4002, "/help echo").replace("/echo", "", 1), "help of what one may not run tells nothing more"
    who = answer(stack, 4001, "/whoami")
    assert "Ada" in who and "4001" in who and "crew" in who
    assert "4001" in answer(stack, 4001, "/id")


def test_unknown_command_names_the_nearest_permitted(stack):
    assert "/echo" in answer(stack, 4001, "/ehco x")
    assert "/echo" not in answer(stack, 4002, "/ehco x")


def test_arguments_are_checked_before_anything_runs(stack):
    assert answer(stack, 4001, "/typed 3") == "3 0.5 false staging"
    assert answer(stack, 4001, "/typed 3 1.5 yes prod") == "3 1.5 true prod"
    assert answer(stack, 4001, "/typed env=prod count=4") == "4 0.5 false prod"
    for bad, why in (("/typed", "count"), ("/typed 0", "1"), ("/typed 10", "9"), ("/typed x", "whole number"), ("/typed 1 x", "number"),
                     ("/typed 1 1 maybe", "flag"), ("/typed 1 1 yes moon", "prod"), ("/typed 1 1 yes prod extra", "Usage"), ("/typed 1 count=2", "count"),
                     ("/typed 1 colour=red", "Usage"), ("/typed \"1", "quot"), ("/echo", "text")):
        said = answer(stack, 4001, bad)
        assert why in said and "Usage" in said, (bad, said)


def test_failures_tell_status_or_signal_and_the_tail(stack):
    said = answer(stack, 4001, "/broken 3")
    assert "exit status 3" in said and "it broke" in said
    assert "signal 9" in answer(stack, 4001, "/killed")
    assert "no-such-program" in answer(stack, 4001, "/absent")


def test_rights_down_to_values(stack):
    assert answer(stack, 4002, "/deploy staging") == "deployed to staging"
    refused = answer(stack, 4002, "/deploy prod")
    assert "may not" in refused
    assert answer(stack, 4001, "/deploy prod") == "deployed to prod"


def test_groups_and_topics(stack):
    stack.sim.say(4001, "/echo in a group", chat=-2001)
    assert stack.sim.wait_answers(-2001, 1) == ["in a group"]
    stack.sim.say(4001, "/echo in a topic", chat=-1000000002002, topic=9)
    assert stack.sim.wait_answers(-1000000002002, 1) == ["in a topic"]
    assert [m["message_thread_id"] for m in stack.sim.messages(-1000000002002) if m["from"]["is_bot"]] == [9]
    # What is said to others is none of ours.
    stack.sim.say(4001, "/echo@other_bot not for us", chat=-2001)
    stack.sim.say(4001, "good morning", chat=-2001)
    stack.sim.say(4001, "/echo for us", chat=-2001)
    assert stack.sim.wait_answers(-2001, 2) == ["in a group", "for us"]


def test_a_caption_is_a_command_line_too(stack):
    assert answer(stack, 4001, "/echo from a caption", caption=True) == "from a caption"


def test_text_without_entities_is_a_command_line_too(stack):
    assert answer(stack, 4001, "/echo no entities", entities=[]) == "no entities"


def test_an_edit_runs_nothing_again(stack):
    first = stack.sim.say(4001, "/echo once")
    assert stack.sim.wait_answers(4001, 1) == ["once"]
    stack.sim.say(4001, "/echo twice", edit=first["message_id"])
    assert answer(stack, 4001, "/echo after") == "after"
    assert stack.sim.answers(4001) == ["once", "after"]


def test_a_long_answer_is_split_and_nothing_of_it_is_lost(stack):
    stack.sim.say(4001, "/flood 10000")
    assert stack.settled()
    parts = stack.sim.answers(4001)
    assert len(parts) == 3 and all(len(p) <= 4096 for p in parts)
    assert all(p.splitlines()[-1].endswith("abc") for p in parts), "split at line ends"
    assert "".join(parts).count("abc") == 157


def test_a_very_long_answer_is_a_document(stack):
    stack.sim.say(4001, "/flood 20000")
    assert stack.settled()
    message = stack.sim.messages(4001)[-1]
    assert "20032 characters, in the file" in message["caption"] and message["caption"].endswith("abc")
    document = message["document"]
    assert document["file_name"].startswith("task-") and document["file_size"] == 20032
    body = stack.sim.file(document["file_id"])
    assert body.count(b"abc\n") == 313
    assert stack.count("outbox_document") == 0, "what was sent is not kept twice"


def test_a_stranger_gets_one_answer_and_is_counted(stack):
    for _ in range(5):
        stack.sim.say(9001, "/echo let me in")
    stack.sim.say(9001, "please?")
    assert stack.settled()
    said = stack.sim.answers(9001)
    assert len(said) == 1 and "9001" in said[0]
    assert stack.sql("SELECT state, messages FROM join_request WHERE telegram_id = 9001") == [("pending", 6)]


def test_a_disabled_person_is_refused(stack):
    before = stack.count("task_history")
    said = answer(stack, 4003, "/echo x")
    assert "x" != said and stack.count("task_history") == before
