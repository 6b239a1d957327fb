-- teleapp holds the application data that sql commands read and write; this is an example to look at, or to drop.

CREATE TABLE customer_order (
	id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	customer text NOT NULL,
	item text NOT NULL,
	quantity integer NOT NULL CHECK (quantity > 0),
	state text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'sent', 'cancelled')),
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE customer_order IS 'Example: orders that commands can list and change';
COMMENT ON COLUMN customer_order.id IS 'Key';
COMMENT ON COLUMN customer_order.customer IS 'Who ordered';
COMMENT ON COLUMN customer_order.item IS 'What';
COMMENT ON COLUMN customer_order.quantity IS 'How many';
COMMENT ON COLUMN customer_order.state IS 'Where it stands';
COMMENT ON COLUMN customer_order.created_at IS 'When';
DO $$ BEGIN
	EXECUTE format('REVOKE ALL ON DATABASE %I FROM PUBLIC', current_database());
	EXECUTE format('GRANT CONNECT ON DATABASE %I TO teleapp_reader, teleapp_writer', current_database());
END $$;
GRANT USAGE ON SCHEMA public TO teleapp_reader, teleapp_writer;
GRANT SELECT ON customer_order TO teleapp_reader, teleapp_writer;
GRANT INSERT, UPDATE ON customer_order TO teleapp_writer;
