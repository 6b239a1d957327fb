-- say(): the texts people read, with their {words} replaced.
BEGIN;
SELECT plan(15);
INSERT INTO message_text (name, body) VALUES ('t-plain', 'Nothing to replace.'), ('t-one', 'Hello {name}.'), ('t-two', '{a}{b}, {a}'), ('t-open', 'a { b'),
	('t-odd', '} {x} {'), ('t-empty', ''), ('t-lines', E'{a}\n{b}\n'), ('t-none', 'see {}.');

SELECT is(say('t-plain'), 'Nothing to replace.', 'a text without words');
SELECT is(say('t-one', '{"name": "Ada"}'), 'Hello Ada.', 'one word');
SELECT is(say('t-two', '{"a": "1", "b": "2"}'), '12, 1', 'words side by side, and one twice');
SELECT is(say('t-one'), 'Hello .', 'a word nobody gave is left out');
SELECT is(say('t-one', '{"name": null}'), 'Hello .', 'and so is a null');
SELECT is(say('t-one', '{"name": "{name} {a}"}'), 'Hello {name} {a}.', 'what a person typed is not replaced again');
SELECT is(say('t-one', '{"name": "\\1 & % $1"}'), 'Hello \1 & % $1.', 'nor is it a pattern');
SELECT is(say('t-one', '{"name": 17}'), 'Hello 17.', 'a number is written as such');
SELECT is(say('t-open', '{"b": "x"}'), 'a { b', 'a brace that is not closed stays');
SELECT is(say('t-odd', '{"x": "y"}'), '} y {', 'braces the wrong way round stay');
SELECT is(say('t-none'), 'see .', 'an empty word is nothing');
SELECT is(say('t-empty'), '', 'an empty text');
SELECT is(say('t-lines', '{"a": "1", "b": "2"}'), E'1\n2\n', 'lines stay lines');
SELECT throws_ok($$SELECT say('no-such-text')$$, 'P0002', NULL, 'a name that is not there is an error, not silence');
SELECT is_empty($$SELECT name FROM message_text WHERE name !~ '^t-' AND (body = '' OR body ~ '[{][^a-z_]')$$, 'every text of the schema says something, its words well formed');
SELECT * FROM finish();
ROLLBACK;
