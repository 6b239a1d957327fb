"""Commands of kind sql and http in the file that apply reads."""
import json

import pytest
from test_cli import changed

SQL = {"name": "find", "kind": "sql", "connection": "teleapp", "statement": "SELECT {id}::bigint, '{1,2}'", "writes": True, "row_limit": 5,
       "parameters": [{"name": "id", "type": "integer"}, {"name": "pw", "type": "text", "secret": True}]}
HTTP = {"name": "call", "kind": "http", "connection": "web", "method": "POST", "path": "/a/{id}?q={id}", "headers": {"X-Id": "{id}", "X-Pw": "{pw}"},
        "body": {"a": ["{id}", 1, None, {"b": "x{pw}"}]}, "expect": [201, 200], "pointer": "/a/0",
        "parameters": [{"name": "id", "type": "integer"}, {"name": "pw", "type": "text", "secret": True}]}


def test_they_go_in_and_come_out_again(teleops):
    document = changed(commands=[SQL, HTTP], grants=[])
    first = teleops.apply(document)
    assert first.returncode == 0, first.stderr
    assert teleops.apply(document).stdout == "nothing to change\n"
    exported = json.loads(teleops("export").stdout)
    assert {c["name"]: c for c in exported["commands"]}["find"] == SQL
    assert {c["name"]: c for c in exported["commands"]}["call"] == HTTP
    assert teleops.apply(json.dumps(exported)).stdout == "nothing to change\n"
    for which, key, value in ((SQL, "row_limit", 6), (SQL, "writes", False), (SQL, "statement", "SELECT 1"), (HTTP, "body", None), (HTTP, "expect", [200, 201]),
                              (HTTP, "method", "PUT"), (HTTP, "headers", {}), (HTTP, "pointer", "/b"), (HTTP, "path", "/b")):
        commands = [{**c, key: value} if c is which else c for c in (SQL, HTTP)]
        assert "changed" in teleops.apply(changed(commands=commands, grants=[])).stdout, key
        assert teleops.apply(changed(commands=commands, grants=[])).stdout == "nothing to change\n", key


@pytest.mark.parametrize("command, complaint", [
    ({**SQL, "statement": "SELECT '{id}'"}, "commands[0].statement: within quotes {name} is text"),
    ({**SQL, "statement": "SELECT {nobody}"}, "commands[0].statement: there is no parameter for {nobody}"),
    ({**SQL, "statement": "SELECT 1; SELECT 2"}, "commands[0].statement: it must be one statement"),
    ({**SQL, "statement": "SELECT $1"}, "commands[0].statement: write {name} for a value"),
    ({**SQL, "row_limit": 0}, "commands[0].row_limit: must be from 1 to 100000"),
    ({**SQL, "connection": "../x"}, "commands[0].connection: may only hold"),
    ({k: v for k, v in SQL.items() if k != "statement"}, "commands[0].statement: is missing: a command of kind sql needs one"),
    ({k: v for k, v in SQL.items() if k != "connection"}, "commands[0].connection: is missing: a command of kind sql needs one"),
    ({**SQL, "path": "/x"}, "commands[0].path: means nothing for kind sql"),
    ({**HTTP, "statement": "SELECT 1"}, "commands[0].statement: means nothing for kind http"),
    ({**HTTP, "kind": "text", "template": "x"}, "commands[0].connection: means nothing for kind text"),
    ({**HTTP, "kind": "shell"}, "commands[0].kind: must be exec, text, sql or http"),
    ({**HTTP, "path": "http://elsewhere/"}, "commands[0].path: must begin with /"),
    ({**HTTP, "path": "/{pw}"}, "commands[0].path: {pw} is a secret: it must not stand in path"),
    ({**HTTP, "path": "/{nobody}"}, "commands[0].path: there is no parameter for {nobody}"),
    ({**HTTP, "method": "CONNECT"}, "commands[0].method: must be GET, HEAD"),
    ({**HTTP, "headers": {"X Y": "a"}}, "commands[0].headers.X Y: is no name of a header"),
    ({**HTTP, "headers": {"X": "a\r\nY: b"}}, "commands[0].headers.X: must be a text of one line"),
    ({**HTTP, "headers": {"X": "{nobody}"}}, "commands[0].headers.X: there is no parameter for {nobody}"),
    ({**HTTP, "body": {"a": [{"b": "{nobody}"}]}}, "commands[0].body: there is no parameter for {nobody}"),
    ({**HTTP, "expect": [99]}, "commands[0].expect[0]: must be from 100 to 599"),
    ({**HTTP, "pointer": "a"}, "commands[0].pointer: must begin with /"),
])
def test_what_is_wrong_is_named(teleops, command, complaint):
    done = teleops.apply(changed(commands=[command], grants=[]))
    assert done.returncode == 1 and complaint in done.stderr, done.stderr


def test_the_database_keeps_secrets_out_of_paths_too(teleops):
    assert teleops.apply(changed(commands=[HTTP], grants=[])).returncode == 0
    with pytest.raises(Exception, match="secret pw must not stand in path"):
        teleops.cluster.sql("UPDATE command SET path = '/{pw}' WHERE name = 'call'")
