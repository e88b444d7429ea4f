-- listing: one row per source that lists period by period and period: its day and that of the next one.
create or replace table listing as
select source, day, lead(day) over (partition by source order by day) as next_day
from (select distinct source, observed_on as day from standard where list_contains($periodic, source));

-- speaker: one row per source: its number, the number of the voice it speaks with, and whether it delivered within
-- its cycle (a source without a cycle is always in time).
create or replace table speaker as
select s.source, s.number::utinyint as number, s.voice::utinyint as voice,
       s.cycle is null or coalesce(h.day >= $as_of::date - s.cycle, false) as in_time
from (
    select unnest($names::varchar[]) as source, unnest(range(len($names::varchar[]))) as number,
           unnest($voices::integer[]) as voice, unnest($cycles::integer[]) as cycle
) s
left join heard h using (source);
