-- The ranks of `standard` follow those of `arrival`, without gaps.
update standard set ordinal = dense.ordinal
from (
  select record_id, row_number() over (order by a.ordinal) - 1 as ordinal
  from arrival as a semi join standard using (record_id)
) as dense
where standard.record_id = dense.record_id and standard.ordinal is distinct from dense.ordinal;
