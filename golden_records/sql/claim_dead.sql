-- claim: one row per cluster without an id and dead id that was the last one of some of its records.
create or replace temp table claim as
select s.head, s.dead as golden_id, count(*) as held, min(m.since_release) as arrived,
       any_value(m.since_release) as since_release
from seen s join minted m on m.golden_id = s.dead
where s.head not in (select head from heir)
group by s.head, s.dead;
