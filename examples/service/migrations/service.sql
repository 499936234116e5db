-- What the service keeps beside the cases. It runs at each start, so each statement may run again.

-- The latest case of each device.
CREATE TABLE IF NOT EXISTS service_devices (
    runbook text NOT NULL,
    device text NOT NULL,
    case_id text COLLATE "C" NOT NULL,
    -- When the alert was raised: a repeated alert has the same time.
    alert_at timestamptz NOT NULL,
    PRIMARY KEY (runbook, device)
);

-- The acts, one row for each idempotency key. Rows are never removed: this is the journal of what was done to the fleet.
CREATE TABLE IF NOT EXISTS service_acts (
    key text PRIMARY KEY,
    action text NOT NULL,
    target text NOT NULL,
    incident text NOT NULL,
    replica text NOT NULL,
    first_begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    begun_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    reported_at timestamptz,
    is_done boolean,
    report text
);
-- The site of the target, and whether the act counts for the limit of its site: one that was refused was not tried, and one that
-- shares the report of another was not done.
ALTER TABLE service_acts ADD COLUMN IF NOT EXISTS site text;
ALTER TABLE service_acts ADD COLUMN IF NOT EXISTS counts boolean NOT NULL DEFAULT true;
CREATE INDEX IF NOT EXISTS service_acts_target ON service_acts (action, target, begun_at);
CREATE INDEX IF NOT EXISTS service_acts_site ON service_acts (action, site, first_begun_at) WHERE counts;

-- The act that a case asks an approval for, such as `restart-gateway/gateway/gw-2`. What can't be read must not keep a case
-- from being saved, so it is no act.
CREATE OR REPLACE FUNCTION service_act_asked(the_state text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    RETURN (
        SELECT concat_ws('/', asked->'approval'->>'action', asked->'approval'->>'scope', asked->'approval'->>'target')
        FROM json_array_elements(the_state::json->'asking') AS asked
        WHERE asked->'approval'->>'target' IS NOT NULL LIMIT 1
    );
EXCEPTION WHEN OTHERS THEN
    RETURN NULL;
END $$;
CREATE INDEX IF NOT EXISTS service_acts_asked ON runbook_cases (service_act_asked(state)) WHERE state_kind = 'asking';

-- The case to use for an alert, and whether it is in the store. A device gets a new case where its last one has ended and
-- the alert is a later one.
CREATE OR REPLACE FUNCTION service_claim_device(
    the_runbook text, the_device text, the_case text, the_alert timestamptz
) RETURNS TABLE (id text, is_stored boolean) LANGUAGE plpgsql AS $$
DECLARE
    kept service_devices%ROWTYPE;
BEGIN
    INSERT INTO service_devices VALUES (the_runbook, the_device, the_case, the_alert) ON CONFLICT DO NOTHING;
    SELECT * INTO kept FROM service_devices WHERE runbook = the_runbook AND device = the_device FOR UPDATE;
    IF kept.alert_at < the_alert
        AND EXISTS (SELECT FROM runbook_cases WHERE runbook_cases.id = kept.case_id AND state_kind = 'ended')
    THEN
        UPDATE service_devices SET case_id = the_case, alert_at = the_alert
        WHERE runbook = the_runbook AND device = the_device;
        kept.case_id := the_case;
    END IF;
    RETURN QUERY
        SELECT kept.case_id, EXISTS (SELECT FROM runbook_cases WHERE runbook_cases.id = kept.case_id);
END $$;

-- When each act began that counts for the limit of a kind at a site, and the time now. None where the act of that key would not
-- count: it was begun before, or the report of the same act for another case serves it.
CREATE OR REPLACE FUNCTION service_acts_used(
    the_key text, the_action text, the_target text, the_site text, abandoned_after interval, shared_for interval,
    within interval
) RETURNS TABLE (used timestamptz[], at timestamptz) LANGUAGE sql STABLE AS $$
    SELECT array(
        SELECT first_begun_at FROM service_acts
        WHERE action = the_action AND site IS NOT DISTINCT FROM the_site AND counts
            AND first_begun_at > clock_timestamp() - within
        ORDER BY first_begun_at
    ), clock_timestamp()
    WHERE NOT EXISTS (
        SELECT FROM service_acts
        WHERE key = the_key
            OR action = the_action AND target = the_target
                -- Of another incident: a key without its last part names the incident.
                AND regexp_replace(key, '[^/]*$', '') <> regexp_replace(the_key, '[^/]*$', '')
                AND (report IS NULL AND begun_at > clock_timestamp() - abandoned_after - shared_for
                    OR is_done AND reported_at > clock_timestamp() - shared_for)
    );
$$;

-- What to do about an act:
--   'begin'     nobody has begun it: it is this replica's now
--   'again'     it was begun at `since`, for this case or another, and whoever did has stopped: find out how far it went
--   'under-way' another replica or another case does it: ask again later
--   'reported'  it was done before: `known` is its report
--   'shared'    the same was done to the target for the case `whose`, a moment ago: `known` is that report
--   'limited'   the acts of that kind at the site are used up: there is room again at `since`
-- An act without a report is taken for abandoned after `abandoned_after`, and a report is shared for `shared_for`. At most `most`
-- acts of one kind are begun at one site within `within`, by all replicas together; those at no known site count together.
CREATE OR REPLACE FUNCTION service_begin_act(
    the_key text, the_action text, the_target text, the_site text, the_incident text, the_replica text,
    abandoned_after interval, shared_for interval, most bigint, within interval
) RETURNS TABLE (what text, since timestamptz, known text, whose text) LANGUAGE plpgsql AS $$
DECLARE
    kept service_acts%ROWTYPE;
    beside service_acts%ROWTYPE;
    used bigint;
    free_at timestamptz;
BEGIN
    -- One at a time for each target, whatever the keys.
    PERFORM pg_advisory_xact_lock(hashtextextended(the_action || '/' || the_target, 7404110802));
    SELECT * INTO kept FROM service_acts WHERE key = the_key;
    IF kept.report IS NOT NULL THEN
        RETURN QUERY SELECT 'reported'::text, kept.first_begun_at, kept.report, NULL::text;
        RETURN;
    END IF;
    IF kept.begun_at > clock_timestamp() - abandoned_after THEN
        RETURN QUERY SELECT 'under-way'::text, kept.first_begun_at, NULL::text, NULL::text;
        RETURN;
    END IF;
    IF kept.key IS NOT NULL THEN
        UPDATE service_acts SET begun_at = clock_timestamp(), replica = the_replica WHERE key = the_key;
        RETURN QUERY SELECT 'again'::text, kept.first_begun_at, NULL::text, NULL::text;
        RETURN;
    END IF;
    SELECT * INTO beside FROM service_acts
    WHERE action = the_action AND target = the_target AND incident <> the_incident
        AND (report IS NULL AND begun_at > clock_timestamp() - abandoned_after - shared_for
            OR is_done AND reported_at > clock_timestamp() - shared_for)
    ORDER BY begun_at DESC LIMIT 1;
    IF beside.report IS NULL AND beside.begun_at > clock_timestamp() - abandoned_after THEN
        RETURN QUERY SELECT 'under-way'::text, beside.first_begun_at, NULL::text, NULL::text;
        RETURN;
    END IF;
    IF beside.key IS NULL THEN
        -- After the lock of the target, so that two never wait for each other.
        PERFORM pg_advisory_xact_lock(hashtextextended(the_action || '/' || coalesce(the_site, ''), 7404110805));
        SELECT count(*) INTO used FROM service_acts
        WHERE action = the_action AND site IS NOT DISTINCT FROM the_site AND counts
            AND first_begun_at > clock_timestamp() - within;
        IF used >= most THEN
            SELECT first_begun_at + within INTO free_at FROM service_acts
            WHERE action = the_action AND site IS NOT DISTINCT FROM the_site AND counts
                AND first_begun_at > clock_timestamp() - within
            ORDER BY first_begun_at OFFSET used - most LIMIT 1;
            RETURN QUERY SELECT 'limited'::text, free_at, NULL::text, NULL::text;
            RETURN;
        END IF;
    END IF;
    INSERT INTO service_acts (key, action, target, site, incident, replica, reported_at, is_done, report, counts)
    VALUES (the_key, the_action, the_target, the_site, the_incident, the_replica, beside.reported_at, beside.is_done,
        beside.report, beside.key IS NULL);
    IF beside.report IS NOT NULL THEN
        RETURN QUERY SELECT 'shared'::text, beside.first_begun_at, beside.report, beside.incident;
        RETURN;
    END IF;
    -- Whoever did it for the other case has stopped: what it did counts for this one too.
    IF beside.key IS NOT NULL THEN
        RETURN QUERY SELECT 'again'::text, beside.first_begun_at, NULL::text, NULL::text;
        RETURN;
    END IF;
    RETURN QUERY SELECT 'begin'::text, clock_timestamp(), NULL::text, NULL::text;
END $$;
