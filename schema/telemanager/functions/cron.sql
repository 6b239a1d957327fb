-- When something is due by the clock on the wall: cron expressions in a time zone. This is the one place that reads and computes them.
--
-- A time that a clock change skips counts once, right after it; a time that it repeats counts the first time. Only an expression of
-- every hour goes by what the clock shows, whenever it shows it: an hour that comes twice counts twice, one that is skipped does not.

CREATE OR REPLACE FUNCTION cron_wrong(p_message text) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
	RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = p_message;
END $$;
COMMENT ON FUNCTION cron_wrong(text) IS 'Says what is wrong with an expression; never returns';

CREATE OR REPLACE FUNCTION cron_value(p_what text, p_word text, p_least integer, p_most integer, p_names text[]) RETURNS integer
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
	value integer := p_least + array_position(p_names, p_word) - 1;
BEGIN
	IF value IS NULL AND p_word ~ '^[0-9]{1,4}$' THEN
		value := p_word::integer;
	END IF;
	IF value IS NULL OR value NOT BETWEEN p_least AND p_most THEN
		RETURN cron_wrong(format('%s: "%s" is not a number from %s to %s%s', p_what, p_word, p_least, p_most,
			CASE WHEN p_names IS NOT NULL THEN ', nor one of ' || array_to_string(p_names, ' ') ELSE '' END));
	END IF;
	RETURN value;
END $$;
COMMENT ON FUNCTION cron_value(text, text, integer, integer, text[]) IS 'A number or name of a field';

CREATE OR REPLACE FUNCTION cron_field(p_what text, p_field text, p_least integer, p_most integer, p_names text[]) RETURNS integer[]
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
	part text;
	word text[];
	first integer;
	last integer;
	found integer[] := '{}';
BEGIN
	FOREACH part IN ARRAY string_to_array(p_field, ',') LOOP
		word := regexp_match(part, '^(\*|[a-z0-9]+)(?:-([a-z0-9]+))?(?:/([0-9]{1,4}))?$');
		IF word IS NULL OR (word[1] = '*' AND word[2] IS NOT NULL) THEN
			PERFORM cron_wrong(format('%s: "%s" is not understood; it can be *, 5, 1-5, */2 or 1-10/2, several with commas between', p_what, part));
		ELSIF word[3] IS NOT NULL AND word[1] <> '*' AND word[2] IS NULL THEN
			PERFORM cron_wrong(format('%s: "%s" has a step but no range to step through', p_what, part));
		ELSIF word[3]::integer = 0 THEN
			PERFORM cron_wrong(format('%s: "%s" has a step of 0', p_what, part));
		END IF;
		first := CASE WHEN word[1] = '*' THEN p_least ELSE cron_value(p_what, word[1], p_least, p_most, p_names) END;
		last := CASE WHEN word[1] = '*' THEN p_most WHEN word[2] IS NULL THEN first ELSE cron_value(p_what, word[2], p_least, p_most, p_names) END;
		-- A week may end with its Sunday.
		IF word[2] = 'sun' AND first > 0 THEN
			last := 7;
		END IF;
		IF last < first THEN
			PERFORM cron_wrong(format('%s: "%s" ends before it begins', p_what, part));
		END IF;
		found := found || ARRAY(SELECT generate_series(first, last, coalesce(word[3]::integer, 1)));
	END LOOP;
	RETURN ARRAY(SELECT DISTINCT CASE WHEN p_what = 'weekday' THEN n % 7 ELSE n END FROM unnest(found) AS n ORDER BY 1);
END $$;
COMMENT ON FUNCTION cron_field(text, text, integer, integer, text[]) IS 'The numbers that one field of an expression means, in order';

CREATE OR REPLACE FUNCTION cron_parse(p_cron text) RETURNS cron_fields
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
	cron text := lower(btrim(p_cron, E' \t'));
	field text[];
	f cron_fields;
BEGIN
	cron := CASE cron WHEN '@hourly' THEN '0 * * * *' WHEN '@daily' THEN '0 0 * * *' WHEN '@midnight' THEN '0 0 * * *' WHEN '@weekly' THEN '0 0 * * 0'
		WHEN '@monthly' THEN '0 0 1 * *' WHEN '@yearly' THEN '0 0 1 1 *' WHEN '@annually' THEN '0 0 1 1 *' ELSE cron END;
	field := regexp_split_to_array(cron, '[ \t]+');
	IF cron LIKE '@%' THEN
		PERFORM cron_wrong(format('"%s" is none of @hourly @daily @weekly @monthly @yearly', p_cron));
	ELSIF cardinality(field) <> 5 OR length(cron) > 200 THEN
		PERFORM cron_wrong('it has five fields: minute, hour, day of the month, month, weekday; as 30 2 * * mon-fri');
	END IF;
	f.minutes := cron_field('minute', field[1], 0, 59, NULL);
	f.hours := cron_field('hour', field[2], 0, 23, NULL);
	f.days := cron_field('day', field[3], 1, 31, NULL);
	f.months := cron_field('month', field[4], 1, 12, '{jan,feb,mar,apr,may,jun,jul,aug,sep,oct,nov,dec}');
	f.weekdays := cron_field('weekday', field[5], 0, 7, '{sun,mon,tue,wed,thu,fri,sat}');
	f.any_day := field[3] LIKE '*%';
	f.any_weekday := field[5] LIKE '*%';
	f.every_hour := cardinality(f.hours) = 24;
	RETURN f;
END $$;
COMMENT ON FUNCTION cron_parse(text) IS 'Reads a cron expression; what is wrong with it comes as invalid_parameter_value';

-- As cron(8): where both days are given, either will do.
CREATE OR REPLACE FUNCTION cron_fits(f cron_fields, p_day date) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
	SELECT extract(month FROM p_day)::integer = ANY (f.months) AND CASE WHEN f.any_day OR f.any_weekday
		THEN extract(day FROM p_day)::integer = ANY (f.days) AND extract(dow FROM p_day)::integer = ANY (f.weekdays)
		ELSE extract(day FROM p_day)::integer = ANY (f.days) OR extract(dow FROM p_day)::integer = ANY (f.weekdays) END
$$;
COMMENT ON FUNCTION cron_fits(cron_fields, date) IS 'Whether an expression has times on a day';

-- PostgreSQL reads a time that a zone skips as if the change had not come yet, and one that it repeats as the second.
CREATE OR REPLACE FUNCTION cron_instant(p_local timestamp, p_zone text) RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE SET timezone = 'UTC' AS $$
DECLARE
	late timestamptz := p_local AT TIME ZONE p_zone;
	early timestamptz;
	middle timestamptz;
BEGIN
	IF late AT TIME ZONE p_zone = p_local THEN
		-- The same with the difference to UTC that held a day before: where it shows the same time, that was the first.
		early := late - interval '1 day';
		early := p_local AT TIME ZONE 'UTC' - (early AT TIME ZONE p_zone - early AT TIME ZONE 'UTC');
		RETURN CASE WHEN early < late AND early AT TIME ZONE p_zone = p_local THEN early ELSE late END;
	END IF;
	early := late - (late AT TIME ZONE p_zone - p_local);
	WHILE late - early > interval '1 second' LOOP
		middle := date_trunc('second', early + (late - early) / 2);
		IF middle AT TIME ZONE p_zone >= p_local THEN
			late := middle;
		ELSE
			early := middle;
		END IF;
	END LOOP;
	RETURN late;
END $$;
COMMENT ON FUNCTION cron_instant(timestamp, text) IS 'When the clock on the wall first shows a time, or has just skipped it';

CREATE OR REPLACE FUNCTION cron_next_hourly(f cron_fields, p_zone text, p_after timestamptz, p_until timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE SET timezone = 'UTC' AS $$
DECLARE
	at timestamptz := date_trunc('minute', p_after) + interval '1 minute';
	local timestamp;
	fits date;
BEGIN
	WHILE at < p_until LOOP
		local := at AT TIME ZONE p_zone;
		IF fits IS DISTINCT FROM local::date AND NOT cron_fits(f, local::date) THEN
			-- Where a clock goes back over midnight the day after has begun already.
			at := greatest(cron_instant(local::date + 1, p_zone), at + interval '1 minute');
			CONTINUE;
		END IF;
		fits := local::date;
		IF extract(minute FROM local)::integer = ANY (f.minutes) THEN
			RETURN at;
		END IF;
		at := at + interval '1 minute';
	END LOOP;
	RETURN NULL;
END $$;
COMMENT ON FUNCTION cron_next_hourly(cron_fields, text, timestamptz, timestamptz) IS 'cron_next() for an expression of every hour: minute after minute as they pass';

CREATE OR REPLACE FUNCTION cron_next_fixed(f cron_fields, p_zone text, p_after timestamptz, p_until timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE SET timezone = 'UTC' AS $$
DECLARE
	after timestamp := p_after AT TIME ZONE p_zone;
	last date := (p_until AT TIME ZONE p_zone)::date;
	day date := after::date;
	local timestamp;
	at timestamptz;
	h integer;
	m integer;
BEGIN
	WHILE day <= last LOOP
		IF extract(month FROM day)::integer <> ALL (f.months) THEN
			day := (date_trunc('month', day) + interval '1 month')::date;
			CONTINUE;
		END IF;
		IF cron_fits(f, day) THEN
			FOREACH h IN ARRAY f.hours LOOP
				FOREACH m IN ARRAY f.minutes LOOP
					local := day + make_time(h, m, 0);
					-- What the clock has shown already has had its turn.
					CONTINUE WHEN local <= after;
					at := cron_instant(local, p_zone);
					IF at > p_after THEN
						RETURN at;
					END IF;
				END LOOP;
			END LOOP;
		END IF;
		day := day + 1;
	END LOOP;
	RETURN NULL;
END $$;
COMMENT ON FUNCTION cron_next_fixed(cron_fields, text, timestamptz, timestamptz) IS 'cron_next() for an expression of certain hours: local times in order, each once';

CREATE OR REPLACE FUNCTION cron_next(p_cron text, p_zone text, p_after timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE PARALLEL SAFE AS $$
DECLARE
	f cron_fields := cron_parse(p_cron);
	-- Eight years lie between two leap days about the year 2100.
	until timestamptz := p_after + interval '9 years';
BEGIN
	RETURN CASE WHEN f.every_hour THEN cron_next_hourly(f, p_zone, p_after, until) ELSE cron_next_fixed(f, p_zone, p_after, until) END;
END $$;
COMMENT ON FUNCTION cron_next(text, text, timestamptz) IS 'The next time an expression is due in a zone, after a moment; null: never';

CREATE OR REPLACE FUNCTION cron_upcoming(p_cron text, p_zone text, p_after timestamptz, p_count integer) RETURNS SETOF timestamptz
LANGUAGE plpgsql STABLE AS $$
DECLARE
	at timestamptz := p_after;
BEGIN
	FOR i IN 1 .. p_count LOOP
		at := cron_next(p_cron, p_zone, at);
		EXIT WHEN at IS NULL;
		RETURN NEXT at;
	END LOOP;
END $$;
COMMENT ON FUNCTION cron_upcoming(text, text, timestamptz, integer) IS 'The next so many times of an expression';

CREATE OR REPLACE FUNCTION cron_error(p_cron text) RETURNS text
LANGUAGE plpgsql STABLE AS $$
BEGIN
	RETURN CASE WHEN cron_next(p_cron, 'UTC', now()) IS NULL THEN 'there is no such day in any month' END;
EXCEPTION WHEN invalid_parameter_value THEN
	RETURN SQLERRM;
END $$;
COMMENT ON FUNCTION cron_error(text) IS 'What is wrong with a cron expression; null: nothing';
