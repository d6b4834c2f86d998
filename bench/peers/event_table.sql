-- A plain event table as one writes it without a framework. The primary key is the version check: of
-- two writers that expect the same version, one violates it. The sequence gives readers an order,
-- though not a safe one: a number taken first may commit last, so a reader that follows can skip an
-- event. That is left as it is, in the peer's favour: a safe order costs a lock.
CREATE TABLE events (
  entity   text        NOT NULL,
  version  bigint      NOT NULL,
  position bigint      NOT NULL GENERATED ALWAYS AS IDENTITY,
  type     text        NOT NULL,
  data     jsonb       NOT NULL,
  recorded timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (entity, version)
);
CREATE INDEX events_by_position ON events (position);
