-- The ranks of `standard` close up again.
update standard set ordinal = dense.ordinal
from (
  select s.record_id, row_number() over (order by coalesce(p.place, s.ordinal)) - 1 as ordinal
  from standard as s left join placed as p using (record_id)
) as dense
where standard.record_id = dense.record_id and standard.ordinal <> dense.ordinal;
