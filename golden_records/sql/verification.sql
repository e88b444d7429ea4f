-- speaker: one row per source: its number, the number of the voice it speaks with, and whether it delivered within
-- its cycle (a source without a cycle is always in time).
create or replace temp table speaker as
select s.source, s.number::utinyint as number, s.voice::utinyint as voice,
       s.cycle is null or coalesce(h.day >= $as_of::date - s.cycle, false) as in_time
from (
    select unnest($names::varchar[]) as source, unnest(range(len($names::varchar[]))) as number,
           unnest($voices::integer[]) as voice, unnest($cycles::integer[]) as cycle
) s
left join heard h using (source);

-- verified: one row per field whose current values have a state.
create or replace table verified as select unnest($verified::varchar[]) as field;

-- dispute: one row per golden value and current source record that says something else.
create or replace table dispute (
    golden_id varchar, field varchar, value varchar, value_source varchar, value_source_key varchar,
    source varchar, source_key varchar, said varchar, observed_on date, state varchar
);

-- judged: provenance with the states, field by field.
create or replace table judged as select *, null::varchar as state from provenance where false;
