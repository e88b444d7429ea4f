-- A record that counts and is in no golden record, or in two.
select s.source, s.source_key, coalesce(p.golden_records, 0) as golden_records
from standard as s
left join (
    select m.ordinal, count(*) as golden_records from member as m semi join golden_number using (g) group by m.ordinal
) as p using (ordinal)
where p.golden_records is distinct from 1;
