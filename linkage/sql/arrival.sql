-- arrival: a record version that counts now, with its rank by (source, source_key, row_hash), which no
-- load order moves; dropped again when `standard` stands.
create or replace table arrival as
select row_number() over () - 1 as ordinal, record_id
from (select record_id from current_record order by source, source_key, row_hash);

-- finding: something wrong in a record (record_id) or in a row that never became one (batch_id, line).
create table if not exists finding (
  record_id bigint, batch_id integer, line bigint, field varchar, rule varchar, severity varchar, detail varchar
);

-- quarantine: a record that counts and a check of severity `error` that keeps it out of `standard`.
create table if not exists quarantine (record_id bigint, rule varchar);
