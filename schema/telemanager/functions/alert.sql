-- Alerts: what monitoring posts to a hook becomes one message in its chat, which changes with each report until the alert is closed.
-- Locks go chat, then what waits in the outbox to show it (as outbox_settle() goes), then alert, then its buttons.

-- Labels have names as Prometheus gives them (prometheus.io/docs/concepts/data_model), which expand() does not know.
CREATE OR REPLACE FUNCTION alert_expand(p_template text, p_labels jsonb) RETURNS text
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
	made text := '';
	rest text := p_template;
	found text[];
BEGIN
	-- One pass: what a label holds is never expanded again.
	LOOP
		found := regexp_match(rest, '^(.*?)\{([A-Za-z_][A-Za-z0-9_]{0,63})\}(.*)$', 's');
		EXIT WHEN found IS NULL;
		made := made || found[1] || (p_labels ->> found[2]);
		rest := found[3];
	END LOOP;
	RETURN made || rest;
END $$;
COMMENT ON FUNCTION alert_expand(text, jsonb) IS 'A template with its {labels} replaced; null: the alert has not all of them';

CREATE OR REPLACE FUNCTION labels_fit(p_wanted jsonb, p_labels jsonb) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT NOT EXISTS (SELECT FROM jsonb_each_text(p_wanted) w
		WHERE NOT coalesce(p_labels ->> w.key LIKE replace(replace(replace(replace(w.value, '\', '\\'), '%', '\%'), '_', '\_'), '*', '%'), false))
$$;
COMMENT ON FUNCTION labels_fit(jsonb, jsonb) IS 'Whether an alert has all the labels wanted; * stands for anything';

CREATE OR REPLACE FUNCTION alert_line(b hook_button, p_labels jsonb) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
	line text := '/' || (SELECT c.name FROM command c WHERE c.id = b.command_id);
	q command_parameter;
BEGIN
	FOR q IN SELECT * FROM command_parameter p WHERE p.command_id = b.command_id AND b.args ? p.name AND NOT p.secret ORDER BY p.position LOOP
		line := line_with(line, q, alert_expand(b.args ->> q.name, p_labels));
	END LOOP;
	-- Null where a label was missing. One that is too long to be read is not offered.
	RETURN CASE WHEN length(line) <= 1000 THEN line END;
END $$;
COMMENT ON FUNCTION alert_line(hook_button, jsonb) IS 'Command line that a button would run for an alert with these labels; null: it is not offered';

CREATE OR REPLACE FUNCTION clipped(p_text text, p_most integer) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT CASE WHEN length(p_text) > p_most THEN left(p_text, p_most - 1) || '…' ELSE p_text END $$;
COMMENT ON FUNCTION clipped(text, integer) IS 'A text of at most so many characters, with a sign where it was cut';

-- A button that is there already keeps its token: it may be pressed just now. One that was pressed rests until the next report.
CREATE OR REPLACE FUNCTION alert_keys(a alert, p_report boolean) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	keys jsonb := '[]';
	kept text[] := '{}';
	w record;
	made text;
	alive boolean;
	until timestamptz := now() + interval '1 hour' * (SELECT h.forget_h + 1 FROM hook h WHERE h.id = a.hook_id);
BEGIN
	FOR w IN SELECT l.line, min(ARRAY[b.position, i.n]) AS place, (array_agg(b.label ORDER BY b.position, i.n))[1] AS label, b.command_id
			FROM hook_button b JOIN command c ON c.id = b.command_id AND c.enabled
				CROSS JOIN jsonb_array_elements(a.body -> 'alerts') WITH ORDINALITY AS i(item, n)
				CROSS JOIN LATERAL (SELECT alert_line(b, i.item -> 'labels') AS line) l
			WHERE b.hook_id = a.hook_id AND a.closed_at IS NULL AND i.item ->> 'status' <> 'resolved' AND labels_fit(b.labels, i.item -> 'labels')
				AND l.line IS NOT NULL
			GROUP BY l.line, b.command_id ORDER BY 2 LIMIT 8 LOOP
		UPDATE button x SET expires_at = CASE WHEN p_report THEN until ELSE x.expires_at END
		WHERE x.alert_id = a.id AND x.command_id = w.command_id AND x.value = w.line RETURNING x.token, x.expires_at > now() INTO made, alive;
		IF made IS NULL THEN
			CONTINUE WHEN NOT p_report;
			made := button_make('command', NULL, NULL, w.line, until, NULL);
			UPDATE button x SET alert_id = a.id, command_id = w.command_id WHERE x.token = made;
		END IF;
		kept := kept || made;
		CONTINUE WHEN NOT alive;
		keys := keys || jsonb_build_array(jsonb_build_array(button_json(clipped(say('alert_button',
			jsonb_build_object('text', CASE WHEN w.label <> '' THEN w.label ELSE w.line END)), 60), made)));
	END LOOP;
	DELETE FROM button x WHERE x.alert_id = a.id AND x.token <> ALL (kept);
	RETURN CASE WHEN keys <> '[]' THEN jsonb_build_object('inline_keyboard', keys) END;
END $$;
COMMENT ON FUNCTION alert_keys(alert, boolean) IS 'The keyboard of an alert: what its hook offers to run for those that fire; a report offers anew what was pressed';

CREATE OR REPLACE FUNCTION alert_title(a alert) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT say('alert_' || a.state, jsonb_build_object('title', clipped(CASE WHEN a.title <> '' THEN a.title ELSE h.name END, 200), 'hook', h.name))
	FROM hook h WHERE h.id = a.hook_id
$$;
COMMENT ON FUNCTION alert_title(alert) IS 'First line of an alert''s message';

-- What is told is bounded so that all of it always fits into one message.
CREATE OR REPLACE FUNCTION alert_text(a alert) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT concat_ws(E'\n', alert_title(a),
		nullif(clipped(concat_ws(E'\n', nullif(a.body ->> 'text', ''),
			(SELECT string_agg(say('alert_item_' || (i.item ->> 'status'), jsonb_build_object('text', clipped(i.item ->> 'text', 300))), E'\n' ORDER BY i.n)
				FROM jsonb_array_elements(a.body -> 'alerts') WITH ORDINALITY AS i(item, n) WHERE i.item ->> 'text' <> ''),
			CASE WHEN (a.body ->> 'more')::integer > 0 THEN say('alert_more', a.body) END), 1200), ''),
		CASE WHEN a.closed_at IS NOT NULL THEN say('alert_end_' || a.state, jsonb_build_object('took', duration_text(a.closed_at - a.opened_at),
				'at', time_text(date_trunc('second', a.closed_at), 'UTC'), 'since', duration_text(a.closed_at - a.last_at)))
			WHEN a.reports > 1 THEN say('alert_reports', jsonb_build_object('count', a.reports, 'first', time_text(a.opened_at, 'UTC'), 'last', time_text(a.last_at, 'UTC'))) END,
		nullif(array_to_string(a.runs[greatest(1, cardinality(a.runs) - 4) :], E'\n'), ''),
		nullif(clipped(a.body ->> 'url', 400), ''))
$$;
COMMENT ON FUNCTION alert_text(alert) IS 'An alert''s message';

-- Once this is over, what the sender has settled of it is seen: whether there is a message, which one.
CREATE OR REPLACE FUNCTION alert_hold(p_id bigint) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM FROM chat c JOIN alert a ON a.chat_id = c.chat_id WHERE a.id = p_id FOR UPDATE OF c;
	PERFORM FROM outbox o WHERE o.coalesce_key = 'alert ' || p_id FOR UPDATE;
END $$;
COMMENT ON FUNCTION alert_hold(bigint) IS 'Holds an alert''s chat and what waits to be shown of it: before the alert itself is touched';

-- The caller holds it.
CREATE OR REPLACE FUNCTION alert_show(p_id bigint, p_report boolean) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	a alert;
	body text;
	bold jsonb;
	keys jsonb;
	place bigint;
	made bigint;
BEGIN
	SELECT * INTO a FROM alert WHERE id = p_id;
	body := alert_text(a);
	bold := jsonb_build_array(jsonb_build_object('type', 'bold', 'offset', 0, 'length', utf16_length(alert_title(a))));
	keys := alert_keys(a, p_report);
	UPDATE outbox SET text = body, entities = bold, markup = keys, wanted_version = wanted_version + 1 WHERE coalesce_key = 'alert ' || a.id;
	IF FOUND THEN
		RETURN;
	END IF;
	UPDATE chat SET out_seq = out_seq + 1 WHERE chat_id = a.chat_id RETURNING out_seq INTO place;
	-- Live: an edit of the message where there is one, and overwritten as long as it waits.
	INSERT INTO outbox (op, chat_id, seq, thread_id, text, entities, markup, coalesce_key, message_ids)
	VALUES ('live', a.chat_id, place, a.thread_id, body, bold, keys, 'alert ' || a.id, array_remove(ARRAY[a.message_id], NULL)) RETURNING id INTO made;
	UPDATE alert SET outbox_id = made WHERE id = a.id;
END $$;
COMMENT ON FUNCTION alert_show(bigint, boolean) IS 'Writes or changes the message of an alert, as it is now';

CREATE OR REPLACE FUNCTION hook_paced(p_hook bigint) RETURNS hook_pace
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	INSERT INTO hook_pace AS f (hook_id) VALUES (p_hook)
	ON CONFLICT (hook_id) DO UPDATE SET last_at = now(),
		since = CASE WHEN f.since < now() - interval '1 minute' THEN now() ELSE f.since END,
		requests = CASE WHEN f.since < now() - interval '1 minute' THEN 1 ELSE f.requests + 1 END
	RETURNING *
$$;
COMMENT ON FUNCTION hook_paced(bigint) IS 'Counts a request to a hook; how many there were in this minute';

-- outcome: opened, updated, closed; ignored (the end of what was not open); unknown (no such token), off (the hook or its chat),
-- limited (too many; again in so many seconds). After the first four the report may be acknowledged.
CREATE OR REPLACE FUNCTION hook_take(p_hash text, p_report jsonb) RETURNS TABLE (outcome text, hook text, retry_s integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
#variable_conflict use_column
DECLARE
	h hook;
	pace hook_pace;
	a bigint;
	ends boolean := p_report ->> 'status' = 'resolved';
BEGIN
	retry_s := 0;
	SELECT * INTO h FROM hook x WHERE x.token_hash = decode(p_hash, 'hex');
	hook := coalesce(h.name, '');
	outcome := CASE WHEN h.id IS NULL THEN 'unknown' WHEN NOT h.enabled THEN 'off' END;
	IF outcome IS NULL THEN
		pace := hook_paced(h.id);
		IF pace.requests > h.rate THEN
			outcome := 'limited';
			retry_s := greatest(1, ceil(extract(epoch FROM pace.since + interval '1 minute' - now())));
		ELSE
			PERFORM FROM chat c WHERE c.chat_id = h.chat_id FOR UPDATE;
			outcome := CASE WHEN NOT (SELECT c.allowed FROM chat c WHERE c.chat_id = h.chat_id) THEN 'off' END;
		END IF;
	END IF;
	IF outcome IS NULL THEN
		-- It may have been opened in the chat that the hook wrote to formerly.
		PERFORM alert_hold(x.id) FROM alert x WHERE x.hook_id = h.id AND x.key = p_report ->> 'key' AND x.closed_at IS NULL;
		UPDATE alert x SET state = p_report ->> 'status', title = p_report ->> 'title', body = p_report, reports = x.reports + 1, last_at = clock_timestamp(),
			closed_at = CASE WHEN ends THEN clock_timestamp() END
		WHERE x.hook_id = h.id AND x.key = p_report ->> 'key' AND x.closed_at IS NULL RETURNING x.id INTO a;
		outcome := CASE WHEN a IS NULL AND ends THEN 'ignored' WHEN a IS NULL THEN 'opened' WHEN ends THEN 'closed' ELSE 'updated' END;
		IF outcome = 'opened' THEN
			INSERT INTO alert (hook_id, key, state, title, body, chat_id, thread_id)
			VALUES (h.id, p_report ->> 'key', p_report ->> 'status', p_report ->> 'title', p_report, h.chat_id, h.thread_id) RETURNING id INTO a;
		END IF;
		IF a IS NOT NULL THEN
			PERFORM alert_show(a, true);
		END IF;
		IF ends THEN
			UPDATE alert SET body = '{}' WHERE id = a;
		END IF;
		IF outcome IN ('opened', 'closed') THEN
			INSERT INTO audit_event (actor, chat_id, action, object, detail)
			VALUES ('bot', h.chat_id, 'alert ' || outcome, 'alert ' || a, jsonb_build_object('hook', h.name, 'title', left(p_report ->> 'title', 200)));
		END IF;
	END IF;
	RETURN NEXT;
END $$;
COMMENT ON FUNCTION hook_take(text, jsonb) IS 'Takes a report for the hook whose token has this hash: what became of it';

CREATE OR REPLACE FUNCTION button_line(p_token text) RETURNS text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT b.value FROM button b WHERE b.token = p_token AND b.kind = 'command' AND b.expires_at > now()
$$;
COMMENT ON FUNCTION button_line(text) IS 'The command line that a button stands for; null: none, or not any more';

-- As if who pressed had typed it. TeleBot has read the line: command_id 0 is a complaint in line, or a button that it did not find.
CREATE OR REPLACE FUNCTION alert_press(r admission, b button) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	said text;
BEGIN
	IF r.command_id IS DISTINCT FROM b.command_id THEN
		RETURN CASE WHEN r.line <> '' THEN r.line ELSE say('button_old') END;
	END IF;
	r.line := b.value;
	r.action := CASE WHEN EXISTS (SELECT FROM command_parameter q WHERE q.command_id = b.command_id AND q.required AND NOT r.args ? q.name) THEN 'ask' ELSE 'run' END;
	IF r.action = 'ask' AND NOT may_see(r.user_id, b.command_id, r.chat_id) THEN
		said := say('refused', jsonb_build_object('command', (SELECT c.name FROM command c WHERE c.id = b.command_id)));
		INSERT INTO audit_event (actor, user_id, telegram_id, chat_id, action, object, detail)
		VALUES ('bot', r.user_id, r.from_id, r.chat_id, 'refused', 'alert ' || b.alert_id, jsonb_build_object('line', r.line, 'update', r.update_id));
	ELSE
		said := pending_open(r);
	END IF;
	IF said IS NOT NULL THEN
		RETURN said;
	END IF;
	PERFORM alert_hold(b.alert_id);
	-- Two who press at once do not run it twice.
	UPDATE button SET expires_at = now() WHERE token = b.token;
	UPDATE alert SET runs = runs || say('alert_run', jsonb_build_object('line', clipped(b.value, 100), 'name', clipped(user_name(r.user_id), 60),
		'time', to_char(now() AT TIME ZONE 'UTC', 'HH24:MI "UTC"'))) WHERE id = b.alert_id;
	PERFORM alert_show(b.alert_id, false);
	RETURN '';
END $$;
COMMENT ON FUNCTION alert_press(admission, button) IS 'Runs what an alert offers, for who pressed; what is said to the press';

-- What nobody repeats any more is over, though nobody said so.
CREATE OR REPLACE FUNCTION alerts_forget() RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	a bigint;
	told boolean := false;
BEGIN
	FOREACH a IN ARRAY ARRAY(SELECT x.id FROM alert x JOIN hook h ON h.id = x.hook_id
			WHERE x.closed_at IS NULL AND x.last_at < now() - interval '1 hour' * h.forget_h ORDER BY x.chat_id, x.id LIMIT 200) LOOP
		PERFORM alert_hold(a);
		UPDATE alert x SET state = 'silent', closed_at = clock_timestamp() FROM hook h
		WHERE x.id = a AND h.id = x.hook_id AND x.closed_at IS NULL AND x.last_at < now() - interval '1 hour' * h.forget_h;
		CONTINUE WHEN NOT FOUND;
		PERFORM alert_show(a, false);
		UPDATE alert SET body = '{}' WHERE id = a;
		told := true;
	END LOOP;
	IF told THEN
		PERFORM pg_notify('outbox', '');
	END IF;
	DELETE FROM alert WHERE id IN (SELECT x.id FROM alert x WHERE x.closed_at < now() - interval '30 days' LIMIT 10000);
	DELETE FROM hook_pace f WHERE NOT EXISTS (SELECT FROM hook h WHERE h.id = f.hook_id);
END $$;
COMMENT ON FUNCTION alerts_forget() IS 'Closes alerts that were not repeated for long, removes those that were closed 30 days ago';
