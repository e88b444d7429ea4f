-- A record that counts and is in no golden record, or in two.
select s.source, s.source_key, count(n.golden_id) as golden_records
from standard as s left join member as m using (ordinal) left join golden_number as n using (g)
group by all having count(n.golden_id) <> 1;
