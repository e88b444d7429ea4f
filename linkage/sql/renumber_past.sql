-- The versions that counted once are ranked behind the records that count now.
update past set ordinal = dense.ordinal
from (
  select record_id, since, (select count(*) from standard) - 1
                           + row_number() over (order by source, source_key, since, row_hash) as ordinal
  from past
) as dense
where past.record_id = dense.record_id and past.since = dense.since and past.ordinal <> dense.ordinal;
