-- lifespan: one row per golden record: its records, first and last day; when a complete list dropped it.
create or replace temp table lifespan as
with stay as (
    select m.g, s.source, min(s.observed_on) as first_day, max(s.observed_on) as last_day, count(*) as records
    from standard s join member m using (ordinal)
    group by m.g, s.source
)
select s.g, min(s.first_day) as valid_from, max(s.last_day) as last_seen, sum(s.records)::integer as records,
       case when count(*) = count(p.next_day) then max(p.next_day) end as valid_to
from stay s
left join listing p on p.source = s.source and p.day = s.last_day
group by s.g;
