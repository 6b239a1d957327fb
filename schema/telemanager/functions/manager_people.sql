-- The pages of people.

CREATE OR REPLACE FUNCTION is_name(p_name text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT p_name ~ '^[^[:cntrl:]]{1,64}$' $$;
COMMENT ON FUNCTION is_name(text) IS 'Whether organizations, groups and roles may have this name';

-- Organizations

CREATE OR REPLACE FUNCTION manager_organizations(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
BEGIN
	PERFORM page_begin(p_visit);
	RETURN page_list(p, $q$ o.id, o.name, page_time(o.created_at) AS created,
			page_count((SELECT count(*) FROM (SELECT FROM app_user u WHERE u.organization_id = o.id LIMIT 1001) n)) AS people $q$,
		'organization o', 'name', '{"name": "o.name text, o.id bigint"}', $q$ {"search": "lower(o.name) LIKE '%' || page_like($1 ->> 'search') || '%'"} $q$);
END $$;
COMMENT ON FUNCTION manager_organizations(jsonb, jsonb) IS 'List of organizations';

CREATE OR REPLACE FUNCTION manager_organization(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE sql SECURITY DEFINER SET search_path = public, pg_temp AS $$
	SELECT CASE WHEN p ? 'id' THEN (SELECT jsonb_build_object('id', o.id, 'version', o.version, 'kind', 'organization', 'name', o.name,
			'values', jsonb_build_object('name', o.name)) FROM organization o WHERE o.id = number_of(p ->> 'id'))
		ELSE '{"values": {}}' END
$$;
COMMENT ON FUNCTION manager_organization(jsonb, jsonb) IS 'An organization for its form';

CREATE OR REPLACE FUNCTION manager_organization_save(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	v jsonb := p -> 'values';
	o organization;
	before jsonb;
BEGIN
	IF p ? 'id' THEN
		SELECT * INTO o FROM organization x WHERE x.id = number_of(p ->> 'id') FOR UPDATE;
		IF o.id IS NULL THEN
			RETURN NULL;
		ELSIF o.version <> (p ->> 'version')::bigint THEN
			RETURN page_conflict(p_visit, 'organization ' || o.name, o.version, jsonb_build_object('name', o.name));
		END IF;
		before := jsonb_build_object('name', o.name);
	END IF;
	IF NOT is_name(v ->> 'name') THEN
		RETURN page_error('name', 'name_form');
	ELSIF o.id IS NULL THEN
		INSERT INTO organization (name) VALUES (v ->> 'name') RETURNING * INTO o;
	ELSIF o.name <> v ->> 'name' THEN
		UPDATE organization x SET name = v ->> 'name', version = x.version + 1 WHERE x.id = o.id RETURNING * INTO o;
	END IF;
	RETURN page_saved(p_visit, 'organization', o.name, o.id::text, before, jsonb_build_object('name', o.name));
EXCEPTION WHEN unique_violation THEN
	RETURN page_error('name', 'taken');
END $$;
COMMENT ON FUNCTION manager_organization_save(jsonb, jsonb) IS 'Makes or changes an organization';

CREATE OR REPLACE FUNCTION manager_organization_remove(p_visit jsonb, p jsonb) RETURNS jsonb
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
	o organization;
	people bigint;
BEGIN
	SELECT * INTO o FROM organization x WHERE x.id = number_of(p ->> 'id') FOR UPDATE;
	IF o.id IS NULL THEN
		RETURN NULL;
	END IF;
	IF (p ->> 'confirmed')::boolean AND o.version = (p ->> 'version')::bigint THEN
		PERFORM config_remove_one('organization', o.name, NULL);
		PERFORM page_record(p_visit, 'removed', 'organization ' || o.name, jsonb_build_object('name', o.name));
		RETURN jsonb_build_object('done', true, 'kind', 'organization', 'name', o.name);
	END IF;
	SELECT count(*) INTO people FROM (SELECT FROM app_user u WHERE u.organization_id = o.id LIMIT 1001) n;
	RETURN jsonb_build_object('id', o.id, 'version', o.version, 'kind', 'organization', 'name', o.name, 'depends', page_depends('people_stay', people));
END $$;
COMMENT ON FUNCTION manager_organization_remove(jsonb, jsonb) IS 'What would go with an organization, or (confirmed) its removal';
