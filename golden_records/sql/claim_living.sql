-- claim: one row per cluster and living id that held some of its records.
create or replace temp table claim as
select s.head, s.living as golden_id, count(*) as held, min(s.arrived) as arrived,
       any_value(m.since_release) as since_release
from seen s join minted m on m.golden_id = s.living
group by s.head, s.living;
