-- The record's seals: a chain of hashes over audit_event. Events are written unsealed, so that nobody waits; a sealer follows.

CREATE OR REPLACE FUNCTION audit_line(e audit_event) RETURNS text
LANGUAGE sql STABLE AS $$
	SELECT jsonb_build_array(e.id, (extract(epoch FROM e.at) * 1000000)::bigint, e.xid::text, e.actor, e.user_id, e.telegram_id, e.chat_id, e.action,
		e.object, e.detail, host(e.address))::text
$$;
COMMENT ON FUNCTION audit_line(audit_event) IS 'An event as it is hashed: one line of JSON, every column, the time in microseconds';

-- Transaction numbers, not event ids: an id is taken before its transaction commits, and a smaller one may appear after a larger one.
-- What is below the oldest transaction still running can only be complete.
CREATE OR REPLACE FUNCTION audit_seal_next() RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	last audit_seal;
	upto xid8 := pg_snapshot_xmin(pg_current_snapshot());
	part xid8;
	ids bigint[];
	lines text;
BEGIN
	IF NOT pg_try_advisory_xact_lock(hashtext('teleops.audit')) THEN
		RETURN NULL;
	END IF;
	SELECT * INTO last FROM audit_seal ORDER BY seq DESC LIMIT 1;
	-- At most some thousand events a seal, but whole transactions.
	SELECT x.xid INTO part FROM audit_event x WHERE x.xid >= coalesce(last.to_xid, '0') AND x.xid < upto ORDER BY x.xid, x.id OFFSET 5000 LIMIT 1;
	upto := coalesce((part::text::numeric + 1)::text::xid8, upto);
	SELECT array_agg(x.id ORDER BY x.id), string_agg(audit_line(x), E'\n' ORDER BY x.id) INTO ids, lines
	FROM audit_event x WHERE x.xid >= coalesce(last.to_xid, '0') AND x.xid < upto;
	IF ids IS NULL THEN
		RETURN NULL;
	END IF;
	INSERT INTO audit_seal (seq, first_id, last_id, ids, sha256, previous, from_xid, to_xid)
	VALUES (coalesce(last.seq, 0) + 1, ids[1], ids[cardinality(ids)], ids, sha256(coalesce(last.sha256, '') || convert_to(lines, 'UTF8')),
		coalesce(last.sha256, ''), coalesce(last.to_xid, '0'), upto);
	RETURN coalesce(last.seq, 0) + 1;
END $$;
COMMENT ON FUNCTION audit_seal_next() IS 'Appends a seal over what is complete and not sealed yet; its number, null: nothing to seal, or another is at it';
