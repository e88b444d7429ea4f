-- claim: one row per cluster without an id and dead id that, of those still free, some of its records had last.
create or replace temp table claim as
with last as (
    select p.head, p.ordinal, arg_max(x.golden_id, x.since_release) as golden_id, max(x.since_release) as arrived
    from previous_crosswalk x
    join standard s using (source, source_key)
    join placed p using (ordinal)
    where x.until is not null
      and p.head not in (select head from heir)
      and x.golden_id not in (select golden_id from heir)
      and x.golden_id not in (select golden_id from previous_golden)
    group by p.head, p.ordinal
)
select l.head, l.golden_id, count(*) as held, min(l.arrived) as arrived,
       any_value(m.since_release) as since_release, false as merged_in
from last l join minted m using (golden_id)
group by l.head, l.golden_id;
