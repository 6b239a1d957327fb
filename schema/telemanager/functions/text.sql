-- What the bot says by itself, from the table message_text.

CREATE OR REPLACE FUNCTION say(p_name text, p_values jsonb DEFAULT '{}') RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
	rest text;
	made text := '';
	key text;
	at integer;
	upto integer;
BEGIN
	SELECT body INTO STRICT rest FROM message_text WHERE name = p_name;
	-- One pass from left to right: a value that itself holds {word} stays as it is.
	LOOP
		at := strpos(rest, '{');
		EXIT WHEN at = 0;
		upto := strpos(substr(rest, at), '}');
		EXIT WHEN upto = 0;
		key := substr(rest, at + 1, upto - 2);
		made := made || substr(rest, 1, at - 1) || coalesce(p_values ->> key, '');
		rest := substr(rest, at + upto);
	END LOOP;
	RETURN made || rest;
END $$;
COMMENT ON FUNCTION say(text, jsonb) IS 'A text of message_text with its {words} replaced';
