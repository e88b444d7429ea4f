-- batch: a landed file; the tables behind it say what each of its rows became.
create table if not exists batch (
  batch_id integer primary key, source varchar, delivery varchar, sha256 varchar, file_name varchar,
  rows bigint, new bigint, unchanged bigint, deleted bigint, rejected bigint,
  observed_on date, loaded_at timestamp
);

-- observation: one row of a landed file: which version of which key it showed, or that the key is gone.
create table if not exists observation (
  batch_id integer, source varchar, source_key varchar, record_id bigint, op varchar, line bigint
);

-- reject: a row that did not become a record, kept as it came; its key where it has one.
create table if not exists reject (batch_id integer, line bigint, reason varchar, raw varchar, source_key varchar);

-- finding: something wrong in a record (record_id) or in a row that never became one (batch_id, line).
create table if not exists finding (
  record_id bigint, batch_id integer, line bigint, field varchar, rule varchar, severity varchar, detail varchar
);

-- quarantine: a record that counts and a check of severity `error` that keeps it out of `standard`.
create table if not exists quarantine (record_id bigint, rule varchar);
