-- Cases: one row each. Documents are text: JSON as the library writes it, which keeps every character (jsonb refuses NUL).
CREATE TABLE runbook_cases (
    -- A ULID: its text sorts as its number does.
    id text COLLATE "C" PRIMARY KEY,
    opening text NOT NULL,
    saved text NOT NULL,
    records bigint NOT NULL,
    state text NOT NULL,
    state_kind text NOT NULL,
    due_at timestamptz,
    version bigint NOT NULL DEFAULT 0,
    messages bigint NOT NULL DEFAULT 0,
    lease_token bigint NOT NULL DEFAULT 0,
    leased_until timestamptz,
    leased_by text
);
CREATE INDEX runbook_cases_due ON runbook_cases (due_at, id) WHERE due_at IS NOT NULL;
CREATE INDEX runbook_cases_state ON runbook_cases (state_kind, id);

CREATE TABLE runbook_records (
    case_id text COLLATE "C" NOT NULL REFERENCES runbook_cases ON DELETE CASCADE,
    position bigint NOT NULL,
    record text NOT NULL,
    PRIMARY KEY (case_id, position)
);

CREATE TABLE runbook_messages (
    case_id text COLLATE "C" NOT NULL REFERENCES runbook_cases ON DELETE CASCADE,
    number bigint NOT NULL,
    message text NOT NULL,
    PRIMARY KEY (case_id, number)
);

-- What happened, in the order of `entry`. A delivered message has its number and text, everything else its JSON.
CREATE TABLE runbook_history (
    entry bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    case_id text COLLATE "C" NOT NULL REFERENCES runbook_cases ON DELETE CASCADE,
    at timestamptz NOT NULL,
    what text,
    number bigint,
    message text
);
CREATE INDEX runbook_history_case ON runbook_history (case_id, entry);

-- False where the case is there already.
CREATE FUNCTION runbook_insert(
    the_id text, the_opening text, the_saved text, the_records text[], the_state text, the_kind text,
    the_time timestamptz, the_happened text
) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO runbook_cases (id, opening, saved, records, state, state_kind, due_at)
    VALUES (the_id, the_opening, the_saved, cardinality(the_records), the_state, the_kind, the_time)
    ON CONFLICT DO NOTHING;
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    INSERT INTO runbook_records
    SELECT the_id, ordinality - 1, record FROM unnest(the_records) WITH ORDINALITY AS new (record, ordinality);
    INSERT INTO runbook_history (case_id, at, what) VALUES (the_id, the_time, the_happened);
    RETURN true;
END $$;

-- 'saved', 'lost' or 'conflict', and the version that the case had.
CREATE FUNCTION runbook_save(
    the_id text, the_token bigint, the_version bigint, the_first bigint, the_saved text, the_records text[],
    the_state text, the_kind text, the_due timestamptz, the_seen bigint, the_taken bigint, the_happened text[],
    hold_until timestamptz, the_time timestamptz
) RETURNS TABLE (came text, found bigint) LANGUAGE plpgsql AS $$
DECLARE
    kept runbook_cases%ROWTYPE;
BEGIN
    SELECT * INTO kept FROM runbook_cases WHERE id = the_id FOR UPDATE;
    IF NOT FOUND OR kept.lease_token <> the_token OR kept.leased_until IS NULL THEN
        RETURN QUERY SELECT 'lost'::text, 0::bigint;
        RETURN;
    END IF;
    IF kept.version <> the_version OR kept.records <> the_first THEN
        RETURN QUERY SELECT 'conflict'::text, kept.version;
        RETURN;
    END IF;
    IF kept.messages > 0 THEN
        DELETE FROM runbook_messages WHERE case_id = the_id AND number <= the_taken;
        IF the_kind <> 'ended'
            AND EXISTS (SELECT FROM runbook_messages WHERE case_id = the_id AND number > the_seen)
        THEN
            the_due := least(the_due, the_time);
        END IF;
    END IF;
    INSERT INTO runbook_records
    SELECT the_id, the_first + ordinality - 1, record
    FROM unnest(the_records) WITH ORDINALITY AS new (record, ordinality);
    INSERT INTO runbook_history (case_id, at, what) SELECT the_id, the_time, what FROM unnest(the_happened) AS new (what);
    UPDATE runbook_cases
    SET saved = the_saved, records = records + cardinality(the_records), state = the_state, state_kind = the_kind,
        due_at = the_due, version = version + 1, leased_until = hold_until
    WHERE id = the_id;
    RETURN QUERY SELECT 'saved'::text, kept.version;
END $$;

-- The number of the message; 0: the case has ended; NULL: there is none.
CREATE FUNCTION runbook_deliver(the_id text, the_message text, the_time timestamptz)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    kept runbook_cases%ROWTYPE;
BEGIN
    SELECT * INTO kept FROM runbook_cases WHERE id = the_id FOR UPDATE;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    IF kept.state_kind = 'ended' THEN
        RETURN 0;
    END IF;
    INSERT INTO runbook_messages VALUES (the_id, kept.messages + 1, the_message);
    INSERT INTO runbook_history (case_id, at, number, message)
    VALUES (the_id, the_time, kept.messages + 1, the_message);
    -- `least` passes over NULL.
    UPDATE runbook_cases SET messages = messages + 1, due_at = least(due_at, the_time) WHERE id = the_id;
    RETURN kept.messages + 1;
END $$;
