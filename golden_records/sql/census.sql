-- census: one row per item, region, state and field: how many there are.
create or replace table census (item varchar, region varchar, state varchar, field varchar, n bigint);

-- golden: living golden records by region and state of life; ended ones stand there with their state.
insert into census
select 'golden', p.region, g.lifecycle, null, count(*)
from golden g left join golden_number n using (golden_id) left join place p using (g)
group by p.region, g.lifecycle;

-- records, quarantined, withdrawn: source keys that count, of these kept out, and keys that count no longer. Those of
-- records that are made of another entity type's (numbers below zero) were in no file.
insert into census
with living as (
    select record_id from standard
    union all
    select distinct record_id from quarantine
)
select 'records', null, null, null, count(*) from living
union all
select 'quarantined', null, null, null, count(distinct record_id) from quarantine
union all
select 'withdrawn', null, null, null,
       (select count(*) from (select distinct source, source_key from observation)) - count(*)
from living where record_id >= 0;

-- members: records in golden records.
insert into census select 'members', null, null, null, count(*) from member;

-- rows_read, rows_rejected: rows of all landed files; what could not be read as a record.
insert into census
select 'rows_read', null, null, null, coalesce(sum(rows), 0)::bigint from batch
union all
select 'rows_rejected', null, null, null, coalesce(sum(rejected), 0)::bigint from batch;

-- unions_refused: accepted pairs that a constraint kept apart; pairs_waiting: pairs that wait for a steward.
insert into census
select 'unions_refused', null, reason, null, count(*) from refusal group by reason
union all
select 'pairs_waiting', null, null, null, $waiting::bigint;

-- values: current golden values by their state of verification (none: it is not asked for) and field.
insert into census
select 'values', null, state, field, count(*) from provenance where valid_to is null group by state, field;
