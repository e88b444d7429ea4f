-- claim: one row per cluster and living id that held some of its records.
create or replace temp table claim as
select p.head, x.golden_id, count(*) as held, min(x.since_release) as arrived,
       any_value(m.since_release) as since_release
from previous_crosswalk x
join standard s using (source, source_key)
join placed p using (ordinal)
join minted m on m.golden_id = x.golden_id
where x.until is null
group by p.head, x.golden_id;
