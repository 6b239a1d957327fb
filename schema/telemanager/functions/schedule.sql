-- Commands that run by the clock. Any engine carries out what is due; of several one gets each. What runs is the line as it was read by
-- who saved the schedule; after a change of the command an engine reads it again before it runs.

CREATE OR REPLACE FUNCTION timezone_known(p_name text) RETURNS boolean
LANGUAGE sql STABLE AS $$ SELECT EXISTS (SELECT FROM pg_timezone_names z WHERE z.name = p_name) $$;
COMMENT ON FUNCTION timezone_known(text) IS 'Whether the time zone database has a zone of this name; takes some time to tell';

CREATE OR REPLACE FUNCTION line_command(p_line text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT lower(substring(p_line from '^/([A-Za-z0-9_]{1,32})(?:[ \t]|$)')) $$;
COMMENT ON FUNCTION line_command(text) IS 'The command that a line names; null: it is no command line';

CREATE OR REPLACE FUNCTION schedule_unchecked(p_most integer) RETURNS TABLE (schedule_id bigint, command_id bigint, line text, version integer)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT s.id, c.id, s.line, c.version FROM schedule s JOIN command c ON c.id = s.command_id
	WHERE s.enabled AND s.command_version <> c.version ORDER BY s.next_at, s.id LIMIT p_most
$$;
COMMENT ON FUNCTION schedule_unchecked(integer) IS 'Schedules whose lines are to be read, since they or their commands are new or have changed; the most urgent first';

-- Arrays run parallel; args "" and a complaint where the line cannot be run.
CREATE OR REPLACE FUNCTION schedule_checked(p_id bigint[], p_version integer[], p_args text[], p_complaint text[]) RETURNS void
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	UPDATE schedule s SET command_version = r.version, args = nullif(r.args, '')::jsonb, complaint = r.complaint
	FROM unnest(p_id, p_version, p_args, p_complaint) AS r(id, version, args, complaint) WHERE s.id = r.id
$$;
COMMENT ON FUNCTION schedule_checked(bigint[], integer[], text[], text[]) IS 'Notes what lines mean with this version of their commands';

CREATE OR REPLACE FUNCTION schedule_refusal(s schedule, c command) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
	words jsonb := jsonb_build_object('command', c.name, 'name', user_name(s.user_id));
BEGIN
	IF NOT (SELECT h.allowed FROM chat h WHERE h.chat_id = s.chat_id) THEN
		RETURN say('schedule_chat');
	ELSIF NOT c.enabled THEN
		RETURN say('schedule_off', words);
	ELSIF s.args IS NULL THEN
		RETURN s.complaint;
	ELSIF NOT (SELECT u.enabled FROM app_user u WHERE u.id = s.user_id) OR NOT may_run(s.user_id, c.id, s.chat_id, s.args) THEN
		RETURN say('schedule_denied', words);
	END IF;
	RETURN NULL;
END $$;
COMMENT ON FUNCTION schedule_refusal(schedule, command) IS 'Why a schedule may not run as it is; null: it may';

-- Else a queue that nobody serves would fill for ever.
CREATE OR REPLACE FUNCTION schedule_waiting(s schedule, c command) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT CASE
		WHEN EXISTS (SELECT FROM task t WHERE t.id = s.last_task_id AND t.state = 'queued') AND s.missed <> 'all'
			THEN say('schedule_waits', jsonb_build_object('task', s.last_task_id, 'queue', c.queue))
		WHEN c.approvals > 0 AND EXISTS (SELECT FROM pending p WHERE p.state = 'approving' AND p.command_id = c.id AND p.user_id = s.user_id
				AND p.chat_id = s.chat_id AND p.line = s.line)
			THEN say('schedule_unapproved') END
$$;
COMMENT ON FUNCTION schedule_waiting(schedule, command) IS 'Whether the last run of a schedule still waits, so that there is to be no other; null: no';

-- The due times to be carried out now; a minute late is not late.
CREATE OR REPLACE FUNCTION schedule_times(s schedule, p_now timestamptz) RETURNS timestamptz[]
LANGUAGE plpgsql STABLE AS $$
DECLARE
	in_time timestamptz := p_now - interval '1 minute';
	found timestamptz[] := ARRAY[s.next_at];
BEGIN
	IF s.next_at < in_time AND s.missed = 'skip' THEN
		RETURN ARRAY(SELECT t FROM cron_next(s.cron, s.timezone, in_time) t WHERE t <= p_now);
	ELSIF s.next_at < in_time AND s.missed = 'all' THEN
		FOR i IN 1 .. 99 LOOP
			found := found || cron_next(s.cron, s.timezone, found[i]);
			EXIT WHEN coalesce(found[i + 1] > p_now, true);
		END LOOP;
		RETURN ARRAY(SELECT t FROM unnest(found) t WHERE t <= p_now);
	END IF;
	RETURN found;
END $$;
COMMENT ON FUNCTION schedule_times(schedule, timestamptz) IS 'Of what is due and was missed, what is to run; see schedule.missed';

-- One run. What needs approval asks for it; that it is due confirms what is dangerous: who saved the schedule meant it.
CREATE OR REPLACE FUNCTION schedule_task(s schedule, c command, p_due timestamptz) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	p pending;
	made bigint;
BEGIN
	p.user_id := s.user_id;
	p.telegram_id := coalesce((SELECT min(a.telegram_id) FROM telegram_account a WHERE a.user_id = s.user_id), 0);
	p.chat_id := s.chat_id;
	p.thread_id := coalesce(s.thread_id, 0);
	p.command_id := c.id;
	p.args := s.args;
	p.line := s.line;
	IF c.approvals = 0 THEN
		made := task_make(p);
	ELSE
		INSERT INTO pending (state, user_id, telegram_id, chat_id, thread_id, command_id, args, line, confirmed, expires_at)
		VALUES ('approving', p.user_id, p.telegram_id, p.chat_id, p.thread_id, p.command_id, p.args, p.line, true, now() + pending_lifetime('approving'))
		RETURNING * INTO p;
		PERFORM pending_go_on(p.id);
		PERFORM pg_notify('outbox', '');
	END IF;
	INSERT INTO audit_event (actor, user_id, telegram_id, chat_id, action, object, detail)
	VALUES ('engine', p.user_id, p.telegram_id, p.chat_id, CASE WHEN made IS NULL THEN 'approval asked' ELSE 'admitted' END,
		coalesce('task ' || made, 'request ' || p.id), jsonb_build_object('line', s.line, 'schedule', s.name, 'due', p_due));
	RETURN made;
END $$;
COMMENT ON FUNCTION schedule_task(schedule, command, timestamptz) IS 'Makes the task of a due time; its number, null: others must approve it first';

-- The chat hears of a trouble once, not each time.
CREATE OR REPLACE FUNCTION schedule_refuse(s schedule, p_why text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	IF s.error = p_why THEN
		RETURN;
	END IF;
	UPDATE schedule SET error = p_why, error_at = clock_timestamp() WHERE id = s.id;
	IF (SELECT h.allowed FROM chat h WHERE h.chat_id = s.chat_id) THEN
		PERFORM chat_say(s.chat_id, s.thread_id, say('schedule_refused', jsonb_build_object('schedule', s.name, 'line', s.line, 'why', p_why)), NULL, NULL,
			NULL, NULL, NULL);
		PERFORM pg_notify('outbox', '');
	END IF;
	INSERT INTO audit_event (actor, user_id, chat_id, action, object, detail)
	VALUES ('engine', s.user_id, s.chat_id, 'refused', 'schedule ' || s.name, jsonb_build_object('line', s.line, 'due', s.next_at, 'reason', p_why));
END $$;
COMMENT ON FUNCTION schedule_refuse(schedule, text) IS 'A schedule does not run: noted, recorded and told, if it is news';

CREATE OR REPLACE FUNCTION schedule_fire(s schedule, p_now timestamptz) RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	c command;
	times timestamptz[] := schedule_times(s, p_now);
	why text;
	made bigint := s.last_task_id;
	due timestamptz;
	meant record;
BEGIN
	SELECT * INTO c FROM command WHERE id = s.command_id;
	-- Today is the day on which it runs, a person who may be named in it is one of that day.
	SELECT r.args, r.complaint INTO meant FROM args_resolve(s.user_id, s.command_id, s.args) r;
	s.args := meant.args;
	IF s.next_at < p_now - interval '1 minute' THEN
		INSERT INTO audit_event (actor, user_id, chat_id, action, object, detail)
		VALUES ('engine', s.user_id, s.chat_id, 'missed', 'schedule ' || s.name, jsonb_build_object('since', s.next_at, 'rule', s.missed, 'runs', cardinality(times)));
	END IF;
	-- A skipped one with nothing due now has nothing to be refused.
	why := CASE WHEN cardinality(times) > 0 THEN coalesce(meant.complaint, schedule_refusal(s, c), schedule_waiting(s, c)) END;
	IF why IS NOT NULL THEN
		PERFORM schedule_refuse(s, why);
		times := '{}';
	END IF;
	FOREACH due IN ARRAY times LOOP
		made := schedule_task(s, c, due);
	END LOOP;
	UPDATE schedule SET next_at = cron_next(s.cron, s.timezone, CASE WHEN s.next_at < p_now - interval '1 minute' THEN p_now ELSE s.next_at END),
		last_at = coalesce(times[cardinality(times)], last_at), last_task_id = made,
		error = CASE WHEN cardinality(times) > 0 THEN '' ELSE error END, error_at = CASE WHEN cardinality(times) > 0 THEN NULL ELSE error_at END
	WHERE id = s.id;
	RETURN cardinality(times);
END $$;
COMMENT ON FUNCTION schedule_fire(schedule, timestamptz) IS 'Carries out a schedule that is due; how many runs it gave. The caller holds the schedule and its chats';

-- Each due schedule is locked by one engine; the others pass it over, and find its next time when that one has committed. A supergroup's
-- migration takes the chat before the schedule; should the two meet, one of them is repeated.
CREATE OR REPLACE FUNCTION schedules_run(p_most integer) RETURNS TABLE (fired integer, unchecked boolean, wait_ms integer)
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	moment timestamptz := clock_timestamp();
	due bigint[];
	chats bigint[];
	s schedule;
BEGIN
	SELECT array_agg(d.id) INTO due FROM (SELECT x.id FROM schedule x JOIN command c ON c.id = x.command_id
		WHERE x.enabled AND x.next_at <= moment AND x.command_version = c.version ORDER BY x.next_at, x.id LIMIT p_most FOR UPDATE OF x SKIP LOCKED) d;
	fired := 0;
	IF due IS NOT NULL THEN
		SELECT array_agg(x.chat_id) INTO chats FROM schedule x WHERE x.id = ANY (due);
		SELECT chats || coalesce(array_agg(a), '{}') INTO chats FROM schedule x JOIN command c ON c.id = x.command_id, unnest(approver_chats(c.id, x.user_id)) a
		WHERE x.id = ANY (due) AND c.approvals > 0;
		PERFORM FROM chat h WHERE h.chat_id = ANY (chats) ORDER BY h.chat_id FOR UPDATE;
		FOR s IN SELECT x.* FROM schedule x WHERE x.id = ANY (due) ORDER BY x.next_at, x.id LOOP
			BEGIN
				fired := fired + schedule_fire(s, moment);
			EXCEPTION WHEN data_exception THEN
				-- A zone that no longer exists, say: it rests until it is changed, and stops no other.
				PERFORM schedule_refuse(s, SQLERRM);
				UPDATE schedule SET next_at = NULL WHERE id = s.id;
			END;
		END LOOP;
	END IF;
	unchecked := EXISTS (SELECT FROM schedule_unchecked(1));
	-- What others hold just now is due still, and theirs.
	SELECT CASE WHEN cardinality(due) = p_most THEN 0
		ELSE least(5000, greatest(20, coalesce(ceil(extract(epoch FROM min(x.next_at) - clock_timestamp()) * 1000), 5000))) END::integer INTO wait_ms
	FROM schedule x JOIN command c ON c.id = x.command_id WHERE x.enabled AND x.command_version = c.version;
	RETURN NEXT;
END $$;
COMMENT ON FUNCTION schedules_run(integer)
	IS 'Carries out what is due. How many runs; whether lines are to be read (schedule_unchecked); when to look again, five seconds at most';

CREATE OR REPLACE FUNCTION schedule_state(s schedule) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT CASE WHEN NOT s.enabled THEN 'off' WHEN s.error <> '' THEN s.error WHEN s.command_version <> c.version THEN 'to be read'
		ELSE coalesce(schedule_refusal(s, c), 'ok') END FROM command c WHERE c.id = s.command_id
$$;
COMMENT ON FUNCTION schedule_state(schedule) IS 'ok, off, or why a schedule did not run or would not';

CREATE OR REPLACE FUNCTION config_apply_schedule(p jsonb) RETURNS void
LANGUAGE sql AS $$
	INSERT INTO schedule AS s (name, command_id, user_id, chat_id, thread_id, line, cron, timezone, missed, enabled)
	SELECT p ->> 'name', c.id, u.id, (p ->> 'chat_id')::bigint, (p ->> 'thread_id')::bigint, p ->> 'line', p ->> 'cron', p ->> 'timezone', p ->> 'missed',
		(p ->> 'enabled')::boolean
	FROM command c, app_user u WHERE c.name = line_command(p ->> 'line') AND u.login = p ->> 'user'
	ON CONFLICT (name) DO UPDATE SET command_id = excluded.command_id, user_id = excluded.user_id, chat_id = excluded.chat_id,
		thread_id = excluded.thread_id, line = excluded.line, cron = excluded.cron, timezone = excluded.timezone, missed = excluded.missed,
		enabled = excluded.enabled, version = s.version + 1
$$;
COMMENT ON FUNCTION config_apply_schedule(jsonb) IS 'Makes a schedule as declared';

CREATE OR REPLACE FUNCTION config_schedules(p_count integer) RETURNS json
LANGUAGE sql STABLE AS $$
	SELECT json_build_object('schedules', coalesce(json_agg(json_build_object('schedule', s.name, 'line', s.line, 'user', u.login, 'chat', s.chat_id,
		'topic', s.thread_id, 'cron', s.cron, 'zone', s.timezone, 'missed', s.missed, 'state', schedule_state(s),
		'last', to_char(s.last_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'task', s.last_task_id,
		'next', (SELECT coalesce(json_agg(json_build_object('at', to_char(t AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
				'local', to_char(t AT TIME ZONE s.timezone, 'Dy YYYY-MM-DD HH24:MI')) ORDER BY t), '[]')
			FROM cron_upcoming(s.cron, s.timezone, clock_timestamp(), CASE WHEN s.enabled THEN p_count ELSE 0 END) t)) ORDER BY s.name), '[]'))
	FROM schedule s JOIN app_user u ON u.id = s.user_id
$$;
COMMENT ON FUNCTION config_schedules(integer) IS 'For teleops schedule list: each schedule with its next so many times';
