-- past: standardized versions of the days before; empty where nothing was ever replaced.
create table if not exists past as select *, null::date as since, null::date as until from standard where false;

-- holder: one row per source record ever placed: the golden record that has it, or had it last.
create or replace temp table holder as
select source, source_key, golden_id, until is null as lives
from (
    select source, source_key, golden_id, until,
           row_number() over (partition by source, source_key order by until is null desc, since_release desc) as n
    from crosswalk
)
where n = 1;
