-- past: standardized versions of the days before; empty where nothing was ever replaced.
create table if not exists past as select *, null::date as since, null::date as until from standard where false;

-- holder: one row per source record ever placed: the golden record that has it, or had it last.
create or replace temp table holder as
with living as (
    select source, source_key, golden_id from crosswalk where until is null
)
select source, source_key, golden_id, true as lives from living
union all
select source, source_key, arg_max(golden_id, since_release), false
from crosswalk anti join living using (source, source_key)
where until is not null
group by source, source_key;
