-- Revision 0003: before recovery services said that they live.
CREATE TABLE events (
    run_id TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
    at TEXT NOT NULL, prev_hash TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (run_id, seq));
CREATE TABLE heads (
    run_id TEXT PRIMARY KEY, seq INTEGER NOT NULL, phase TEXT NOT NULL, question TEXT NOT NULL,
    requester TEXT NOT NULL, received_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    expires_at TEXT NOT NULL DEFAULT '', flow_run_id TEXT NOT NULL DEFAULT '');
CREATE INDEX heads_by_phase ON heads (phase, received_at);
CREATE INDEX heads_by_age ON heads (received_at);
CREATE INDEX events_rated ON events (kind, at) WHERE kind = 'answer_rated';
CREATE INDEX events_of_follow_ups ON events (run_id) WHERE kind = 'follow_up_requested';
CREATE TABLE leases (
    run_id TEXT PRIMARY KEY, holder TEXT NOT NULL, token INTEGER NOT NULL, expires_at TEXT NOT NULL);
CREATE TABLE signatures (
    run_id TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL, key TEXT NOT NULL,
    signature TEXT NOT NULL);
CREATE TABLE spending (
    run_id TEXT PRIMARY KEY, requester TEXT NOT NULL, day TEXT NOT NULL,
    turns INTEGER NOT NULL, tokens INTEGER NOT NULL, usd REAL NOT NULL, bytes BIGINT NOT NULL,
    seconds REAL NOT NULL, held_turns INTEGER NOT NULL, held_tokens INTEGER NOT NULL, held_usd REAL NOT NULL,
    held_bytes BIGINT NOT NULL);
CREATE INDEX spending_by_day ON spending (day, requester);
CREATE TABLE circuits (
    provider TEXT PRIMARY KEY, failures INTEGER NOT NULL, open_until TEXT NOT NULL DEFAULT '');
CREATE TABLE pruned_rows (
    run_id TEXT NOT NULL, seq INTEGER NOT NULL, kind TEXT NOT NULL, body TEXT NOT NULL,
    at TEXT NOT NULL, prev_hash TEXT NOT NULL, hash TEXT NOT NULL, PRIMARY KEY (run_id, seq));
CREATE INDEX pruned_runs ON pruned_rows (run_id) WHERE kind = 'pruned';
CREATE TABLE progress (
    run_id TEXT PRIMARY KEY, turn INTEGER NOT NULL, tool TEXT NOT NULL, characters INTEGER NOT NULL);
CREATE TABLE ledger_version (
    version_num VARCHAR(32) NOT NULL, CONSTRAINT ledger_version_pkc PRIMARY KEY (version_num));
INSERT INTO ledger_version (version_num) VALUES ('0003');
