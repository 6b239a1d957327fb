-- What the sender sees of the certificate at the webhook's address.
ALTER TABLE bot_status ADD COLUMN certificate jsonb, ADD COLUMN certificate_at timestamptz;
COMMENT ON COLUMN bot_status.certificate IS 'What was seen of the certificate at the webhook''s address: url, and expires (seconds since 1970) or error';
COMMENT ON COLUMN bot_status.certificate_at IS 'When that was';
